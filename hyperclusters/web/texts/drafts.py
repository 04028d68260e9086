"""Why a form came back with what was typed in it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from hyperclusters.web.texts.causes import Text

NOT_TAKEN: dict[str, Text] = {
    "ended": _(
        "Nothing was sent, because your session had ended. What you typed is back: check it and submit the form."
    ),
    "old": _("This form was too old, so nothing was sent. Check what you typed and submit the form."),
}
