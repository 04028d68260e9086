"""The access table: each route and method, and who may. Tests walk the URLconf by it, and docs/security.md is printed from it."""

from __future__ import annotations

from dataclasses import dataclass

from hyperclusters.access.models import Role
from hyperclusters.access.permissions import POLICY, Action, roles_for


@dataclass(frozen=True, slots=True)
class Entry:
    """One route and method.

    `sees`: what makes the object exist for somebody; without it, it looks absent (404). `needs`: what makes the act
    allowed; without it, it is denied (403). Neither: whoever is signed in may, and gets what is their own.
    `anywhere`: the act is not about one team's object, so a right in any team will do. `public`: signed out as well.
    """

    route: str
    method: str
    needs: Action | None = None
    sees: Action | None = None
    anywhere: bool = False
    public: bool = False
    besides: str = ""  # who else may, or what else it takes, in words


APPOINTERS = "platform admins: the role of admin"
CONFIRMED = "having shown within five minutes who one is"

TABLE = (
    Entry("web:home", "get"),
    Entry("web:theme", "post", public=True),
    Entry("web:jump", "get"),
    Entry("web:draft", "post", public=True),
    Entry("accounts:login", "get", public=True),
    Entry("accounts:login", "post", public=True),
    Entry("accounts:logout", "post"),
    Entry("account_login", "get", public=True),
    Entry("account_login", "post", public=True),
    Entry("mfa_authenticate", "get", public=True, besides="whoever has given a right password"),
    Entry("mfa_authenticate", "post", public=True, besides="whoever has given a right password"),
    Entry("mfa_login_webauthn", "get", public=True),
    Entry("mfa_login_webauthn", "post", public=True),
    Entry("accounts:company", "get", public=True),
    Entry("openid_connect_callback", "get", public=True),
    Entry("accounts:ask_reset", "get", public=True),
    Entry("accounts:ask_reset", "post", public=True),
    Entry("accounts:reset", "get", public=True, besides="whoever holds the link"),
    Entry("accounts:reset", "post", public=True, besides="whoever holds the link"),
    Entry("accounts:confirm", "get"),
    Entry("accounts:confirm", "post"),
    Entry("accounts:security", "get"),
    Entry("accounts:add_app", "get", besides=CONFIRMED),
    Entry("accounts:add_app", "post", besides=CONFIRMED),
    Entry("accounts:add_passkey", "get", besides=CONFIRMED),
    Entry("accounts:add_passkey", "post", besides=CONFIRMED),
    Entry("accounts:recovery_codes", "post", besides=CONFIRMED),
    Entry("accounts:remove_factor", "post", besides=CONFIRMED),
    Entry("accounts:password", "get", besides=CONFIRMED),
    Entry("accounts:password", "post", besides=CONFIRMED),
    Entry("accounts:end_session", "post", besides="one's own sessions alone"),
    Entry("accounts:everywhere", "post", besides="one's own sessions alone"),
    Entry("set_language", "post", public=True),
    Entry("healthz", "get", public=True),
    Entry("readyz", "get", public=True),
    Entry("metrics", "get", public=True, besides="whoever holds METRICS_TOKEN"),
    Entry("clusters:list", "get"),
    Entry("clusters:csv", "get"),
    Entry("clusters:json", "get"),
    Entry("clusters:refresh", "post"),
    Entry("clusters:new", "get", needs=Action.CREATE, anywhere=True),
    Entry("clusters:new", "post", needs=Action.CREATE, anywhere=True),
    Entry("clusters:cluster", "get", sees=Action.VIEW),
    Entry("clusters:delete", "get", sees=Action.VIEW),
    Entry("clusters:delete", "post", sees=Action.VIEW, needs=Action.CREATE),
    Entry("creations:list", "get"),
    Entry("creations:creation", "get", sees=Action.VIEW),
    Entry("creations:of_form", "get"),
    Entry(
        "creations:withdraw", "post", sees=Action.VIEW, needs=Action.DECIDE, besides="whoever asked for it"
    ),
    Entry("creations:look", "post", sees=Action.VIEW),
    Entry("creations:decide", "post", sees=Action.VIEW, needs=Action.DECIDE),
    Entry("audit:list", "get", needs=Action.AUDIT, anywhere=True),
    Entry(
        "audit:event", "get", needs=Action.AUDIT, anywhere=True, besides="events of other teams look absent"
    ),
    Entry("audit:summary", "get", needs=Action.AUDIT, anywhere=True),
    Entry("audit:chain", "get", needs=Action.AUDIT, anywhere=True),
    Entry("audit:acknowledge", "post", needs=Action.REVIEW, anywhere=True),
    Entry("audit:export", "get", needs=Action.AUDIT, anywhere=True),
    Entry("audit:export", "post", needs=Action.AUDIT, anywhere=True),
    Entry("audit:review", "get", needs=Action.REVIEW, anywhere=True),
    Entry("audit:mark", "post", needs=Action.REVIEW, anywhere=True),
    Entry("audit:account", "post", needs=Action.REVIEW, anywhere=True),
    Entry("teams:list", "get"),
    Entry("teams:team", "get", sees=Action.MEMBERS),
    Entry("teams:who", "get", sees=Action.MEMBERS),
    Entry("teams:rules", "get", sees=Action.MEMBERS, needs=Action.GRANT),
    Entry("teams:rules", "post", sees=Action.MEMBERS, needs=Action.GRANT),
    Entry("teams:quota", "get", sees=Action.MEMBERS, needs=Action.APPOINT),
    Entry("teams:quota", "post", sees=Action.MEMBERS, needs=Action.APPOINT),
    Entry("teams:give", "get", sees=Action.MEMBERS, needs=Action.GRANT, besides=APPOINTERS),
    Entry("teams:give", "post", sees=Action.MEMBERS, needs=Action.GRANT, besides=APPOINTERS),
    Entry("teams:grant", "get", sees=Action.MEMBERS, needs=Action.GRANT, besides=APPOINTERS),
    Entry("teams:grant", "post", sees=Action.MEMBERS, needs=Action.GRANT, besides=APPOINTERS),
    Entry("teams:review", "get", sees=Action.MEMBERS, needs=Action.GRANT),
    Entry("teams:review", "post", sees=Action.MEMBERS, needs=Action.GRANT),
    Entry("teams:request", "get", sees=Action.MEMBERS, needs=Action.GRANT),
    Entry("teams:request", "post", sees=Action.MEMBERS, needs=Action.GRANT),
    Entry("teams:uninvite", "post", sees=Action.MEMBERS, needs=Action.GRANT),
    Entry("access:mine", "get"),
    Entry("access:ask", "post"),
    Entry("access:withdraw", "post", besides="another's request looks absent"),
    Entry("access:invitation", "get", public=True, besides="whoever holds the link"),
    Entry("access:invitation", "post", public=True, besides="whoever holds the link"),
    Entry("projects:list", "get", needs=Action.CONNECT, anywhere=True),
    Entry("projects:connect", "get", needs=Action.CONNECT, anywhere=True, besides=CONFIRMED),
    Entry("projects:connect", "post", needs=Action.CONNECT, anywhere=True, besides=CONFIRMED),
    Entry("projects:project", "get", needs=Action.CONNECT, anywhere=True),
    Entry("projects:change", "post", needs=Action.CONNECT, anywhere=True, besides=CONFIRMED),
    Entry("projects:key", "post", needs=Action.CONNECT, anywhere=True, besides=CONFIRMED),
    Entry("projects:test", "post", needs=Action.CONNECT, anywhere=True),
    Entry("people:list", "get", needs=Action.APPOINT, anywhere=True),
    Entry("people:appoint", "get", needs=Action.APPOINT, anywhere=True, besides=CONFIRMED),
    Entry("people:appoint", "post", needs=Action.APPOINT, anywhere=True, besides=CONFIRMED),
    Entry("people:dismiss", "get", needs=Action.APPOINT, anywhere=True, besides=CONFIRMED),
    Entry("people:dismiss", "post", needs=Action.APPOINT, anywhere=True, besides=CONFIRMED),
    Entry("people:activity", "get", needs=Action.APPOINT, anywhere=True, besides=CONFIRMED),
    Entry("people:activity", "post", needs=Action.APPOINT, anywhere=True, besides=CONFIRMED),
    Entry("people:correct", "get", needs=Action.APPOINT, anywhere=True, besides=CONFIRMED),
    Entry("people:correct", "post", needs=Action.APPOINT, anywhere=True, besides=CONFIRMED),
    Entry("people:add_team", "get", needs=Action.APPOINT, anywhere=True),
    Entry("people:add_team", "post", needs=Action.APPOINT, anywhere=True),
)


def markdown() -> str:
    """The policy and the table, as docs/security.md shows them."""
    lines = ["| action | " + " | ".join(Role.values) + " |", "|---" * (len(Role.values) + 1) + "|"]
    for action in Action:
        allowed = {*roles_for(action), *POLICY[action].site}
        marks = " | ".join("yes" if role in allowed else "" for role in Role)
        lines.append(f"| {action.value} | {marks} |")
    lines += ["", "| route | method | exists for | allowed to |", "|---|---|---|---|"]
    lines += [f"| `{e.route}` | {e.method.upper()} | {_sees(e)} | {_needs(e)} |" for e in TABLE]
    return "\n".join(lines) + "\n"


def _sees(entry: Entry) -> str:
    if entry.public:
        return "everybody"
    return f"who may {entry.sees.value}, there" if entry.sees else "whoever is signed in"


def _needs(entry: Entry) -> str:
    where = ", anywhere" if entry.anywhere else ", there"
    allowed = f"who may {entry.needs.value}{where}" if entry.needs else "the same"
    return f"{allowed}; {entry.besides}" if entry.besides else allowed
