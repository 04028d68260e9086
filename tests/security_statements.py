"""What docs/security.md promises, and the tests that fail when it does not hold. `make docs` writes docs/security-tests.md from it."""

from __future__ import annotations

from typing import NamedTuple


class Statement(NamedTuple):
    """A sentence and its tests. `asvs`: the requirements of OWASP ASVS 5.0.0 that it covers, with the level where it is 3."""

    text: str
    tests: tuple[str, ...]
    asvs: str = ""


STATEMENTS = (
    Statement(
        "Cookies are `__Host-`, Secure, HttpOnly and SameSite",
        (
            "test_the_secrets_are_enough_and_the_rest_is_safe",
            "test_cookies_are_kept_from_scripts_and_other_sites",
            "test_nothing_is_lost_when_a_web_and_a_worker_process_are_killed_under_load",
        ),
    ),
    Statement(
        "Signing in starts a new session; signing out, a new password and deactivation end it on the server",
        (
            "test_g29_signing_in_gives_a_new_session_and_signing_out_ends_it_on_the_server",
            "test_g29_a_new_password_ends_every_other_session_on_the_server",
            "test_g29_a_deactivated_person_is_out_at_the_next_request",
        ),
    ),
    Statement(
        "Sessions end after 30 minutes without use (polling does not count as use) and after 12 hours",
        (
            "test_g29_half_an_hour_without_use_ends_it",
            "test_g29_a_page_that_asks_again_by_itself_does_not_keep_one_signed_in",
            "test_g29_twelve_hours_end_it_however_busy_one_is",
        ),
    ),
    Statement(
        "An API token is proved at each request, and a session opens no endpoint",
        (
            "test_what_is_no_token_opens_nothing",
            "test_each_character_of_a_token_counts",
            "test_g23_a_session_opens_no_endpoint",
            "test_an_ended_token_and_one_of_somebody_who_left_are_rejected",
        ),
    ),
    Statement(
        "Anonymous requests write no session rows",
        ("test_g29_strangers_write_no_session_whatever_they_ask_for",),
    ),
    Statement(
        "Guessing is stopped by account and network, and locks nobody out permanently",
        (
            "test_g30_the_sixth_guess_is_not_even_looked_at_whether_the_name_is_known_or_not",
            "test_g30_a_network_that_guesses_at_many_names_is_stopped_as_a_whole",
            "test_g30_in_a_network_shared_with_a_guesser_one_s_own_browser_still_lets_one_in",
        ),
    ),
    Statement(
        "Unknown names get the same text and take the same time",
        (
            "test_g30_known_and_unknown_names_read_the_same_all_the_way",
            "test_g30_a_password_is_hashed_once_whether_the_name_is_known_or_not",
        ),
    ),
    Statement(
        "Platform admins and auditors need a second factor",
        ("test_auditors_and_platform_admins_get_no_further_than_adding_a_factor",),
    ),
    Statement(
        "Sensitive acts need a sign-in within the last five minutes",
        (
            "test_a_sensitive_act_asks_again_who_is_there_and_does_nothing_before",
            "test_a_sensitive_act_asks_who_is_there_again_after_five_minutes",
        ),
    ),
    Statement(
        "A company sign-in counts only for the address that the provider verified and the browser that started it",
        (
            "test_an_address_that_proves_nothing_leads_into_nobody_s_account",
            "test_the_way_there_is_bound_to_the_browser_that_went_and_goes_once",
            "test_a_state_is_good_once_even_with_the_cookie_from_before",
        ),
    ),
    Statement(
        "A company account is issuer and subject; a look-alike address or name matches nobody",
        (
            "test_g43_a_look_alike_address_is_nobody_s",
            "test_g43_a_look_alike_user_name_signs_nobody_in",
            "test_g43_a_verified_address_links_nobody_who_has_a_company_account",
            "test_g43_an_unverified_address_is_stored_nowhere_and_gets_nothing",
        ),
    ),
    Statement(
        "An ID token is signed by the provider for this sign-in, and userinfo names the same subject",
        (
            "test_g45_an_id_token_that_the_provider_did_not_sign_is_refused",
            "test_g45_an_id_token_that_is_not_for_this_sign_in_is_refused",
            "test_g45_userinfo_about_another_subject_is_refused",
        ),
    ),
    Statement(
        "Roles by groups end only when a list of groups says so",
        (
            "test_g44_groups_that_are_not_stated_end_nothing_and_the_page_and_the_audit_say_so",
            "test_g44_what_one_document_cannot_state_is_not_stated_by_the_other",
        ),
    ),
    Statement(
        "Anonymous and refused requests leave a bounded number of events",
        (
            "test_g49_a_stranger_s_tries_at_each_door_are_a_handful_of_events",
            "test_g49_strangers_in_many_networks_share_a_window",
            "test_g49_repeated_refusals_for_one_cause_are_one_event_and_a_count",
        ),
    ),
    Statement(
        "A company sign-in expires",
        (
            "test_a_passkey_lets_a_company_s_person_in_only_while_the_company_s_word_is_fresh",
            "test_a_session_ends_with_the_company_s_word_however_much_it_is_used",
        ),
    ),
    Statement(
        "A client address is always an IP address; links in mails use SITE_URL alone",
        (
            "test_g46_an_entry_of_x_forwarded_for_is_an_address_or_the_proxy_s",
            "test_g46_a_link_in_a_mail_comes_from_site_url_alone",
        ),
    ),
    Statement(
        "Pages, errors, redirects, static files and streams carry CSP and every other security header",
        (
            "test_every_answer_there_is_carries_every_header",
            "test_a_redirect_to_https_and_a_wrong_host_carry_them_too",
        ),
    ),
    Statement(
        "No template has an inline script or style; nothing uses `mark_safe` or `|safe`",
        ("test_no_template_holds", "test_no_code_marks_text_as_safe_markup"),
    ),
    Statement("No cache stores signed-in pages", ("test_every_answer_carries_the_security_headers",)),
    Statement(
        "Forms of another site change nothing", ("test_a_post_without_the_csrf_token_changes_nothing",)
    ),
    Statement(
        "No redirect leads to another site",
        (
            "test_a_switch_never_leads_to_another_site",
            "test_no_step_of_signing_in_leads_to_another_site",
            "test_a_hole_that_others_had_is_not_here",
        ),
    ),
    Statement(
        "Only hosts of the operator's list are called",
        (
            "test_only_hosts_of_the_operator_s_list_may_be_called",
            "test_plain_http_is_for_a_listed_loopback_alone",
        ),
    ),
    Statement(
        "A project ID is matched as a whole before it enters a path",
        ("test_a_malformed_project_is_refused_when_it_is_connected_and_not_when_it_is_called",),
    ),
    Statement(
        "Keys are encrypted for their row and open for no other",
        (
            "test_g33_a_sealed_key_opens_for_its_own_row_alone_and_shows_nothing",
            "test_g33_a_key_copied_from_another_project_sends_nothing",
        ),
    ),
    Statement(
        "Keys are write-only on pages",
        ("test_g33_a_key_that_was_typed_is_in_no_answer_whatever_else_was_wrong",),
    ),
    Statement(
        "Key rotation continues after an interruption",
        ("test_g33_rotation_goes_on_after_an_interruption_and_frees_the_old_key",),
    ),
    Statement(
        "A missing encryption key stops the start",
        ("test_g33_a_key_that_is_gone_is_said_by_name_at_the_start_and_by_the_rotation",),
    ),
    Statement(
        "Secrets are in no answer, event, dump, log or trace",
        (
            "test_g22_canaries_are_in_no_answer_no_event_and_no_dump",
            "test_g22_nothing_secret_is_logged_at_debug",
            "test_a_trace_leads_from_the_click_through_the_worker_to_the_cloud_by_the_request_s_id",
        ),
    ),
    Statement(
        "Hostile text is shown as text everywhere",
        (
            "test_g31_forty_texts_come_out_as_text_of_every_page",
            "test_g31_what_the_cloud_says_is_data_on_pages_and_safe_escapes_in_the_audit",
        ),
    ),
    Statement(
        "No cell of an export is read as a formula",
        ("test_no_cell_is_taken_for_a_formula_and_none_loses_a_character",),
    ),
    Statement("Nobody can forge a log line", ("test_nobody_writes_a_line_of_their_own_into_the_log",)),
    Statement(
        "Names are matched as a whole and stored byte for byte",
        (
            "test_g32_odd_names_that_are_valid_work_from_the_form_to_the_audit",
            "test_g32_a_name_outside_the_grammar_is_refused_whole",
        ),
    ),
    Statement(
        "Callers cannot choose the address that the audit records",
        ("test_the_address_written_down_is_one_that_the_caller_cannot_choose",),
    ),
    Statement(
        "No part of a URL reaches `order_by` or `filter`", ("test_a_hole_that_others_had_is_not_here",)
    ),
    Statement(
        "Error pages reveal no internals and carry the request ID",
        (
            "test_every_answer_there_is_carries_every_header",
            "test_a_page_that_is_not_there_says_so_and_carries_its_id",
        ),
    ),
    Statement(
        "Oversized and too frequent requests are refused",
        (
            "test_a_form_far_too_large_is_refused_kindly",
            "test_more_creations_than_one_may_ask_for_are_refused_and_recorded",
            "test_more_searches_than_one_may_make_are_told_to_wait",
        ),
    ),
    Statement(
        "DEBUG is off; a missing or publicly known key and inconsistent timeouts stop the start",
        (
            "test_a_secret_that_is_not_set_at_all_stops_the_start",
            "test_each_thing_that_should_not_serve_people_is_named",
            "test_a_sound_installation_passes_the_deployment_checks",
        ),
    ),
    Statement(
        "Metrics need the token", ("test_metrics_are_off_unless_a_token_is_set_and_for_its_holder_alone",)
    ),
    Statement(
        "The serving role can only add to the audit; only the owner archives",
        (
            "test_g20_the_role_that_serves_can_add_to_the_audit_and_do_nothing_else_to_it",
            "test_g21_the_roles_verify_the_audit_and_keep_its_anchors_and_only_the_owner_archives",
        ),
    ),
    Statement(
        "Changes around the audit's rows, and older states put back, are found",
        (
            "test_g40_what_was_changed_around_the_rows_is_named",
            "test_g40_an_index_that_loses_an_event_is_named",
            "test_g40_verifications_that_are_put_back_do_not_hide_a_sealed_alarm",
            "test_g21_the_end_and_the_numbers_are_judged_whatever_was_acknowledged",
        ),
    ),
    Statement(
        "A container has a read-only file system and gains no privileges",
        (
            "test_g37_a_container_can_write_nothing_gain_nothing_and_is_given_time_to_stop",
            "test_g37_the_image_runs_as_nobody_and_its_process_gets_sigterm",
        ),
    ),
    Statement(
        "Every dependency is locked with hashes",
        ("test_g36_what_is_installed_is_locked_with_hashes_and_the_base_can_be_pinned",),
    ),
)

ASVS = (
    Statement(
        "text is escaped at output, for its context",
        ("test_g31_forty_texts_come_out_as_text_of_every_page",),
        asvs="1.1.2, 1.2.1",
    ),
    Statement(
        "values in URLs are encoded; no `javascript:`",
        (
            "test_g31_forty_texts_come_out_as_text_of_every_page",
            "test_g32_odd_names_that_are_valid_work_from_the_form_to_the_audit",
        ),
        asvs="1.2.2",
    ),
    Statement("queries are parameterized", ("test_a_hole_that_others_had_is_not_here",), asvs="1.2.4"),
    Statement(
        "no formulas in CSV",
        ("test_no_cell_is_taken_for_a_formula_and_none_loses_a_character",),
        asvs="1.2.10 (3)",
    ),
    Statement(
        "no text runs as code or template",
        ("test_g31_forty_texts_come_out_as_text_of_every_page",),
        asvs="1.3.2, 1.3.7",
    ),
    Statement(
        "only listed hosts are called",
        ("test_only_hosts_of_the_operator_s_list_may_be_called",),
        asvs="1.3.6",
    ),
    Statement(
        "input is parsed as plain data of a known shape",
        ("test_g31_no_bytes_whatever_raise_anything_but_malformed",),
        asvs="1.5.2",
    ),
    Statement(
        "the service itself matches input as a whole",
        (
            "test_g32_a_value_outside_the_grammar_is_refused_by_the_service_itself",
            "test_g32_every_field_is_matched_whole",
        ),
        asvs="2.2.1, 2.2.2",
    ),
    Statement(
        "steps run in their order",
        (
            "test_the_way_there_is_bound_to_the_browser_that_went_and_goes_once",
            "test_a_withdrawn_creation_is_never_sent",
        ),
        asvs="2.3.1",
    ),
    Statement(
        "quotas and budgets hold under concurrency",
        ("test_g28_the_team_s_rules_and_quota_hold_for_creations_and_again_at_the_claim", "test_race"),
        asvs="2.3.2, 2.3.4",
    ),
    Statement(
        "a change and its event are one transaction",
        ("test_an_event_is_written_with_the_work_it_speaks_of_or_not_at_all",),
        asvs="2.3.3",
    ),
    Statement(
        "limits per person",
        (
            "test_more_creations_than_one_may_ask_for_are_refused_and_recorded",
            "test_more_searches_than_one_may_make_are_told_to_wait",
        ),
        asvs="2.4.1",
    ),
    Statement(
        "answers cannot be read as another content type",
        ("test_every_answer_there_is_carries_every_header",),
        asvs="3.2.1",
    ),
    Statement("text is shown as text", ("test_no_template_holds",), asvs="3.2.2"),
    Statement(
        "cookies: Secure, SameSite, `__Host-`, HttpOnly",
        (
            "test_the_secrets_are_enough_and_the_rest_is_safe",
            "test_cookies_are_kept_from_scripts_and_other_sites",
        ),
        asvs="3.3.1–3.3.4",
    ),
    Statement(
        "HSTS, CSP (`object-src` by `default-src 'none'`), nosniff, referrer, framing, opener",
        ("test_every_answer_there_is_carries_every_header",),
        asvs="3.4.1, 3.4.3–3.4.6, 3.4.8 (3)",
    ),
    Statement(
        "forms of another site are refused",
        ("test_a_post_without_the_csrf_token_changes_nothing",),
        asvs="3.5.1",
    ),
    Statement(
        "GET changes nothing",
        ("test_whoever_only_looks_at_the_address_of_an_act_is_led_to_its_page",),
        asvs="3.5.3",
    ),
    Statement(
        "no redirect leads to another site", ("test_a_switch_never_leads_to_another_site",), asvs="3.7.2"
    ),
    Statement(
        "callers cannot set proxy headers",
        ("test_the_address_written_down_is_one_that_the_caller_cannot_choose",),
        asvs="4.1.3",
    ),
    Statement(
        "other methods are refused",
        ("test_a_method_that_a_route_does_not_have_is_refused",),
        asvs="4.1.4 (3)",
    ),
    Statement(
        "guessing is stopped and locks nobody out",
        (
            "test_g30_the_sixth_guess_is_not_even_looked_at_whether_the_name_is_known_or_not",
            "test_g30_who_guesses_locks_the_account_for_their_own_network_only",
        ),
        asvs="6.1.1, 6.3.1",
    ),
    Statement(
        "passwords have 12 characters or more and are not common",
        ("test_a_weak_password_is_refused",),
        asvs="6.2.1, 6.2.4",
    ),
    Statement(
        "passwords can be changed",
        ("test_g29_a_new_password_ends_every_other_session_on_the_server",),
        asvs="6.2.2",
    ),
    Statement(
        "every sign-in path is documented and asks for the second factor",
        (
            "test_a_second_factor_is_asked_for_after_the_company_account_too",
            "test_g23_every_route_has_its_entry_and_every_entry_its_route",
        ),
        asvs="6.3.4",
    ),
    Statement(
        "accounts cannot be enumerated",
        (
            "test_g30_known_and_unknown_names_read_the_same_all_the_way",
            "test_g30_asking_tells_nobody_who_has_an_account",
        ),
        asvs="6.3.8 (3)",
    ),
    Statement(
        "an account's first link works once, for an hour",
        ("test_a_link_is_good_for_an_hour_for_an_active_account_and_until_somebody_signs_in",),
        asvs="6.4.1",
    ),
    Statement(
        "codes work once",
        (
            "test_a_code_is_good_once_as_long_as_it_could_be_taken",
            "test_a_recovery_code_is_good_once_and_ends_when_new_ones_are_made",
        ),
        asvs="6.5.1",
    ),
    Statement(
        "sessions are rows with random IDs",
        ("test_g29_what_a_stranger_keeps_can_neither_be_made_up_nor_become_a_session",),
        asvs="7.2.1–7.2.3",
    ),
    Statement(
        "a new ID at sign-in",
        (
            "test_g29_signing_in_gives_a_new_session_and_signing_out_ends_it_on_the_server",
            "test_the_second_step_gives_a_session_that_nobody_knew_before",
        ),
        asvs="7.2.4",
    ),
    Statement(
        "idle and absolute limits",
        ("test_g29_half_an_hour_without_use_ends_it", "test_g29_twelve_hours_end_it_however_busy_one_is"),
        asvs="7.3.1, 7.3.2",
    ),
    Statement(
        "ended sessions stay ended, also after deactivation",
        ("test_g29_a_closed_account_is_out_and_stays_out_when_it_is_opened_again",),
        asvs="7.4.1, 7.4.2",
    ),
    Statement(
        "a new password ends other sessions",
        ("test_g29_a_new_password_ends_every_other_session_on_the_server",),
        asvs="7.4.3",
    ),
    Statement(
        "sensitive acts ask for the factor again",
        (
            "test_a_sensitive_act_asks_who_is_there_again_after_five_minutes",
            "test_a_sensitive_act_asks_again_who_is_there_and_does_nothing_before",
        ),
        asvs="7.5.1, 7.5.3 (3)",
    ),
    Statement(
        "the rules are documented and match the code",
        ("test_the_matrix_in_the_docs_is_that_of_the_code",),
        asvs="8.1.1",
    ),
    Statement(
        "functions, objects and teams are protected",
        (
            "test_g23_g24_everybody_gets_what_the_table_says",
            "test_g24_a_foreign_id_and_a_random_one_give_the_same_answer",
        ),
        asvs="8.2.1, 8.2.2, 8.3.1, 8.4.1",
    ),
    Statement(
        "extra fields are ignored",
        (
            "test_g27_extra_fields_of_a_post_gain_nothing",
            "test_g27_other_fields_of_a_project_are_not_taken_from_a_form",
        ),
        asvs="8.2.3, 15.3.3",
    ),
    Statement(
        "a revoked right ends at the next request",
        ("test_g25_somebody_removed_a_second_ago_has_nothing_left",),
        asvs="8.3.2 (3)",
    ),
    Statement(
        "the worker checks the right of the person who asked",
        ("test_g25_a_right_lost_while_waiting_means_nothing_is_sent",),
        asvs="8.3.3 (3)",
    ),
    Statement(
        "a company sign-in is bound to one browser and works once",
        (
            "test_the_way_there_is_bound_to_the_browser_that_went_and_goes_once",
            "test_a_state_is_good_once_even_with_the_cookie_from_before",
        ),
        asvs="10.1.2, 10.2.1",
    ),
    Statement(
        "keys at rest: authenticated encryption",
        ("test_g33_a_sealed_key_opens_for_its_own_row_alone_and_shows_nothing",),
        asvs="11.3.2, 11.3.3",
    ),
    Statement("passwords: Argon2", ("test_outside_of_tests_passwords_are_kept_by_argon2",), asvs="11.4.2"),
    Statement(
        "the cloud's certificate is checked",
        ("test_a_certificate_that_does_not_hold_proves_that_nothing_was_sent",),
        asvs="12.3.2",
    ),
    Statement(
        "the serving role has only the rights it needs",
        ("test_g20_the_role_that_serves_can_add_to_the_audit_and_do_nothing_else_to_it",),
        asvs="13.2.2",
    ),
    Statement(
        "no publicly known keys, no debug mode",
        ("test_each_thing_that_should_not_serve_people_is_named",),
        asvs="13.2.3, 13.4.2",
    ),
    Statement(
        "a list of hosts that may be called",
        ("test_only_hosts_of_the_operator_s_list_may_be_called",),
        asvs="13.2.4, 13.2.5",
    ),
    Statement("no source control data in the image", ("test_no_secret_goes_into_the_image",), asvs="13.4.1"),
    Statement("no TRACE", ("test_a_hole_that_others_had_is_not_here",), asvs="13.4.4"),
    Statement(
        "metrics need the token",
        ("test_metrics_are_off_unless_a_token_is_set_and_for_its_holder_alone",),
        asvs="13.4.5",
    ),
    Statement(
        "no keys or sessions in URLs",
        ("test_g22_canaries_are_in_no_answer_no_event_and_no_dump",),
        asvs="14.2.1",
    ),
    Statement("`no-store`", ("test_every_answer_carries_the_security_headers",), asvs="14.3.2"),
    Statement(
        "redirects of the cloud and the provider are not followed",
        ("test_g15_a_redirect_is_never_followed", "test_g45_no_answer_of_the_provider_leads_elsewhere"),
        asvs="15.3.2",
    ),
    Statement(
        "callers cannot choose their recorded address",
        ("test_the_address_written_down_is_one_that_the_caller_cannot_choose",),
        asvs="15.3.4",
    ),
    Statement(
        "log lines say when (UTC), where, who and what, in one format",
        ("test_one_request_can_be_followed_from_the_click_to_the_cloud",),
        asvs="16.2.1, 16.2.2, 16.2.4",
    ),
    Statement("no secret is logged", ("test_g22_nothing_secret_is_logged_at_debug",), asvs="16.2.5"),
    Statement(
        "sign-ins and denials are events",
        (
            "test_the_right_password_leads_home_and_is_told",
            "test_a_person_without_the_right_is_denied_with_an_event_and_nothing_else",
        ),
        asvs="16.3.1, 16.3.2",
    ),
    Statement(
        "nobody can forge a log line", ("test_nobody_writes_a_line_of_their_own_into_the_log",), asvs="16.4.1"
    ),
    Statement(
        "the record cannot be changed unnoticed, and is sent elsewhere",
        (
            "test_g20_the_role_that_serves_can_add_to_the_audit_and_do_nothing_else_to_it",
            "test_every_event_is_posted_once_in_order_and_signed",
        ),
        asvs="16.4.2, 16.4.3",
    ),
    Statement(
        "error pages reveal no internals", ("test_every_answer_there_is_carries_every_header",), asvs="16.5.1"
    ),
    Statement(
        "without the cloud or the database: refused or open, never wrong",
        (
            "test_three_calls_in_vain_stop_calls_for_a_while_and_one_answer_resumes_them",
            "test_a_database_that_is_away_gives_a_page_that_needs_none",
        ),
        asvs="16.5.2, 16.5.3",
    ),
)
