"""Who gets what on which route: one line for each route and method, one column for each caller.

A route of the application without a line fails the build, and so does a line without a route.
"""

import secrets

PEOPLE = ("anonymous", "stranger", "viewer", "member", "admin", "owner", "manager")

PERSON_ACT = "/admin/users/<uuid:user_id>/<any(sessions, factor, disable, enable, promote, demote, erase):act>"

SERVICE_KEY_ACT = "/admin/service-keys/<uuid:service_key_id>/<any(rotate, cap, calls, revoke):act>"

# fmt: off
PAGES: dict[str, tuple[int, ...]] = {
    # route and method                                    anon strg view memb admn ownr mngr
    "GET /":                                              (303, 303, 303, 303, 303, 303, 303),
    "GET /login":                                         (200, 303, 303, 303, 303, 303, 303),
    "POST /login":                                        (422, 422, 422, 422, 422, 422, 422),
    "GET /login/code":                                    (303, 303, 303, 303, 303, 303, 303),
    "POST /login/code":                                   (303, 303, 303, 303, 303, 303, 303),
    "GET /signup":                                        (200, 303, 303, 303, 303, 303, 303),
    "POST /signup":                                       (422, 422, 422, 422, 422, 422, 422),
    "GET /verify":                                        (200, 200, 200, 200, 200, 200, 200),
    "POST /verify":                                       (422, 303, 303, 303, 303, 303, 303),
    "GET /verify/<token>":                                (410, 410, 410, 410, 410, 410, 410),
    "POST /verify/<token>":                               (410, 410, 410, 410, 410, 410, 410),
    "GET /forgot":                                        (200, 200, 200, 200, 200, 200, 200),
    "POST /forgot":                                       (422, 422, 422, 422, 422, 422, 422),
    "GET /reset/<token>":                                 (410, 410, 410, 410, 410, 410, 410),
    "POST /reset/<token>":                                (410, 410, 410, 410, 410, 410, 410),
    "GET /account":                                       (303, 200, 200, 200, 200, 200, 200),
    "POST /account":                                      (303, 422, 422, 422, 422, 422, 422),
    "GET /email-change/<token>":                          (410, 410, 410, 410, 410, 410, 410),
    "POST /email-change/<token>":                         (410, 410, 410, 410, 410, 410, 410),
    "POST /account/email":                                (303, 422, 422, 422, 422, 422, 422),
    "POST /account/email/call-off":                       (303, 303, 303, 303, 303, 303, 303),
    "POST /account/zone":                                 (303, 422, 422, 422, 422, 422, 422),
    "GET /account/zones":                                 (303, 200, 200, 200, 200, 200, 200),
    "GET /account/erase":                                 (303, 200, 200, 200, 200, 200, 200),
    "POST /account/erase":                                (303, 422, 422, 422, 422, 422, 422),
    "GET /account/security":                              (303, 200, 200, 200, 200, 200, 200),
    "POST /account/security/password":                    (303, 422, 422, 422, 422, 422, 422),
    "POST /account/security/sessions/<uuid:session_id>/end": (303, 404, 404, 404, 404, 404, 404),
    "POST /account/security/two-factor/start":            (303, 303, 303, 303, 303, 303, 303),
    "GET /account/security/two-factor":                   (303, 200, 200, 200, 200, 200, 200),
    "POST /account/security/two-factor":                  (303, 422, 422, 422, 422, 422, 422),
    "GET /account/security/two-factor/off":               (303, 303, 303, 303, 303, 303, 303),
    "POST /account/security/two-factor/off":              (303, 303, 303, 303, 303, 303, 303),
    "GET /account/security/codes":                        (303, 303, 303, 303, 303, 303, 303),
    "POST /account/security/codes":                       (303, 409, 409, 409, 409, 409, 409),
    "POST /account/security/sessions/end-others":         (303, 303, 303, 303, 303, 303, 303),
    "GET /no-organization":                               (303, 200, 200, 200, 200, 200, 200),
    "GET /o/<slug>/":                                     (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/live":                                 (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/transactions":                         (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/transactions.csv":                     (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/transactions/<uuid:transaction_id>":   (303, 404, 200, 404, 200, 200, 200),
    "GET /o/<slug>/usage":                                (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/usage.csv":                            (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/usage/events.csv":                     (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/usage/<uuid:event_id>":                (303, 404, 200, 404, 200, 200, 200),
    "GET /o/<slug>/usage/<uuid:event_id>/void":           (303, 404, 403, 404, 403, 403, 200),
    "POST /o/<slug>/usage/<uuid:event_id>/void":          (303, 404, 403, 404, 403, 403, 422),
    "GET /o/<slug>/limits":                               (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/limits/new":                           (303, 404, 403, 403, 200, 200, 403),
    "POST /o/<slug>/limits":                              (303, 404, 403, 403, 422, 422, 403),
    "GET /o/<slug>/limits/<uuid:limit_id>/edit":          (303, 404, 403, 403, 200, 200, 403),
    "POST /o/<slug>/limits/<uuid:limit_id>/edit":         (303, 404, 403, 403, 422, 422, 403),
    "GET /o/<slug>/limits/<uuid:limit_id>/remove":        (303, 404, 403, 403, 200, 200, 403),
    "POST /o/<slug>/limits/<uuid:limit_id>/remove":       (303, 404, 403, 403, 303, 303, 403),
    "GET /o/<slug>/holds":                                (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/holds/<uuid:hold_id>":                 (303, 404, 200, 404, 200, 200, 200),
    "GET /o/<slug>/holds/<uuid:hold_id>/release":         (303, 404, 403, 404, 200, 200, 403),
    "POST /o/<slug>/holds/<uuid:hold_id>/release":        (303, 404, 403, 404, 303, 303, 403),
    "GET /o/<slug>/grants":                               (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/grants/<uuid:grant_id>":               (303, 404, 200, 403, 200, 200, 200),
    "GET /o/<slug>/payments":                             (303, 404, 200, 403, 200, 200, 200),
    "GET /o/<slug>/payments.csv":                         (303, 404, 200, 403, 200, 200, 200),
    "GET /o/<slug>/payments/live":                        (303, 404, 200, 403, 200, 200, 200),
    "GET /o/<slug>/payments/<uuid:payment_id>":           (303, 404, 200, 403, 200, 200, 200),
    "GET /o/<slug>/payments/<uuid:payment_id>/live":      (303, 404, 200, 403, 200, 200, 200),
    "GET /o/<slug>/buy":                                  (303, 404, 403, 403, 200, 200, 403),
    "POST /o/<slug>/buy":                                 (303, 404, 403, 403, 422, 422, 403),
    "POST /o/<slug>/buy/preview":                         (303, 404, 403, 403, 200, 200, 403),
    "GET /o/<slug>/buy/return":                           (303, 404, 403, 403, 200, 200, 403),
    "POST /o/<slug>/buy/return/check":                    (303, 404, 403, 403, 404, 404, 403),
    "GET /o/<slug>/payments/<uuid:payment_id>/receipt.pdf": (303, 404, 200, 403, 200, 200, 200),
    "GET /o/<slug>/audit":                                (303, 404, 200, 403, 200, 200, 200),
    "GET /o/<slug>/audit.csv":                            (303, 404, 200, 403, 200, 200, 200),
    "GET /o/<slug>/audit/<uuid:entry_id>":                (303, 404, 200, 403, 200, 200, 200),
    "GET /orgs":                                          (303, 200, 200, 200, 200, 200, 200),
    "POST /orgs":                                         (303, 422, 422, 422, 422, 422, 422),
    "GET /orgs/new":                                      (303, 200, 200, 200, 200, 200, 200),
    "GET /o/<slug>/members":                              (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/members/<uuid:member_id>/role":        (303, 404, 403, 403, 200, 200, 403),
    "POST /o/<slug>/members/<uuid:member_id>/role":       (303, 404, 403, 403, 422, 422, 403),
    "GET /o/<slug>/members/<uuid:member_id>/remove":      (303, 404, 403, 403, 200, 200, 403),
    "POST /o/<slug>/members/<uuid:member_id>/remove":     (303, 404, 403, 403, 303, 303, 403),
    "GET /o/<slug>/members/<uuid:member_id>/transfer":    (303, 404, 403, 403, 403, 200, 403),
    "GET /o/<slug>/leave":                                (303, 404, 200, 200, 200, 200, 403),
    "GET /o/<slug>/settings/identity":                     (303, 404, 403, 403, 403, 200, 403),
    "POST /o/<slug>/settings/identity":                    (303, 404, 403, 403, 403, 422, 403),
    # None is set.
    "POST /o/<slug>/settings/identity/fetch":              (303, 404, 403, 403, 403, 404, 403),
    "GET /o/<slug>/settings/identity/remove":              (303, 404, 403, 403, 403, 404, 403),
    "POST /o/<slug>/settings/identity/remove":             (303, 404, 403, 403, 403, 404, 403),
    "GET /o/<slug>/settings":                             (303, 404, 403, 403, 403, 200, 403),
    "POST /o/<slug>/settings":                            (303, 404, 403, 403, 403, 303, 403),
    "GET /o/<slug>/settings/transfer":                    (303, 404, 403, 403, 403, 200, 403),
    "GET /o/<slug>/settings/delete":                      (303, 404, 403, 403, 403, 200, 403),
    "POST /o/<slug>/settings/delete":                     (303, 404, 403, 403, 403, 422, 403),
    "GET /o/<slug>/keys":                                 (303, 404, 200, 200, 200, 200, 200),
    "POST /o/<slug>/keys":                                (303, 404, 422, 422, 422, 422, 422),
    "GET /o/<slug>/keys/new":                             (303, 404, 200, 200, 200, 200, 200),
    "GET /o/<slug>/keys/<uuid:key_id>":                   (303, 404, 404, 404, 200, 200, 200),
    "GET /o/<slug>/keys/<uuid:key_id>/rotate":            (303, 404, 404, 404, 200, 200, 403),
    "POST /o/<slug>/keys/<uuid:key_id>/rotate":           (303, 404, 404, 404, 422, 422, 403),
    "GET /o/<slug>/keys/<uuid:key_id>/cap":               (303, 404, 404, 404, 200, 200, 403),
    "POST /o/<slug>/keys/<uuid:key_id>/cap":              (303, 404, 404, 404, 303, 303, 403),
    "GET /o/<slug>/keys/<uuid:key_id>/operator-scopes":   (303, 404, 404, 404, 403, 403, 200),
    "POST /o/<slug>/keys/<uuid:key_id>/operator-scopes":  (303, 404, 404, 404, 403, 403, 422),
    "GET /o/<slug>/keys/<uuid:key_id>/call-limit":        (303, 404, 404, 404, 403, 403, 200),
    "POST /o/<slug>/keys/<uuid:key_id>/call-limit":       (303, 404, 404, 404, 403, 403, 422),
    "GET /o/<slug>/keys/<uuid:key_id>/revoke":            (303, 404, 404, 404, 200, 200, 200),
    "POST /o/<slug>/keys/<uuid:key_id>/revoke":           (303, 404, 404, 404, 303, 303, 303),
    "GET /o/<slug>/catalog/packs":                      (303, 404, 404, 403, 404, 404, 404),
    "POST /o/<slug>/catalog/packs":                     (303, 404, 403, 403, 404, 404, 403),
    "GET /o/<slug>/catalog/packs/new":                  (303, 404, 403, 403, 404, 404, 403),
    "GET /o/<slug>/catalog/packs/preview":              (303, 404, 403, 403, 404, 404, 403),
    "GET /o/<slug>/catalog/packs/<uuid:product_id>":    (303, 404, 404, 403, 404, 404, 404),
    "GET /o/<slug>/catalog/packs/<uuid:product_id>/edit": (303, 404, 403, 403, 404, 404, 403),
    "POST /o/<slug>/catalog/packs/<uuid:product_id>/edit": (303, 404, 403, 403, 404, 404, 403),
    "POST /o/<slug>/catalog/packs/<uuid:product_id>/move": (303, 404, 403, 403, 404, 404, 403),
    "POST /o/<slug>/catalog/packs/<uuid:product_id>/price": (303, 404, 403, 403, 404, 404, 403),
    "POST /o/<slug>/catalog/packs/<uuid:product_id>/<any(archive, restore):act>": (303, 404, 403, 403, 404, 404, 403),
    "GET /o/<slug>/invites":                              (303, 404, 303, 403, 303, 303, 303),
    "POST /o/<slug>/invites":                             (303, 404, 403, 403, 422, 422, 403),
    "GET /o/<slug>/invites/new":                          (303, 404, 403, 403, 200, 200, 403),
    "POST /o/<slug>/invites/<uuid:invite_id>/resend":     (303, 404, 403, 403, 303, 303, 403),
    "GET /o/<slug>/invites/<uuid:invite_id>/withdraw":    (303, 404, 403, 403, 200, 200, 403),
    "POST /o/<slug>/invites/<uuid:invite_id>/withdraw":   (303, 404, 403, 403, 303, 303, 403),
    "POST /invites/<uuid:org_id>/<uuid:invite_id>/accept":  (303, 404, 404, 404, 404, 404, 404),
    "POST /invites/<uuid:org_id>/<uuid:invite_id>/decline": (303, 404, 404, 404, 404, 404, 404),
    "GET /account/tokens":                                (303, 200, 200, 200, 200, 200, 200),
    "POST /account/tokens":                               (303, 422, 422, 422, 422, 422, 422),
    "GET /account/tokens/new":                            (303, 200, 200, 200, 200, 200, 200),
    # The owner's own.
    "GET /account/tokens/<uuid:token_id>":                (303, 404, 404, 404, 404, 200, 404),
    "GET /account/tokens/<uuid:token_id>/revoke":         (303, 404, 404, 404, 404, 200, 404),
    "POST /account/tokens/<uuid:token_id>/revoke":        (303, 404, 404, 404, 404, 303, 404),
    "GET /admin/":                                        (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/live":                                    (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/verify":                                 (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/mail":                                    (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/mail/<uuid:org_id>/<uuid:mail_id>/retry": (303, 403, 403, 403, 403, 403, 303),
    "POST /admin/mail/<uuid:org_id>/<uuid:mail_id>/dismiss": (303, 403, 403, 403, 403, 403, 409),
    "GET /admin/orgs":                                    (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/orgs/<uuid:org_id>":                      (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/orgs/<uuid:org_id>/grant":                (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/orgs/<uuid:org_id>/grant":               (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/orgs/<uuid:org_id>/remove":               (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/orgs/<uuid:org_id>/remove":              (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/orgs/<uuid:org_id>/<any(suspend, unsuspend, close, reopen):act>": (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/orgs/<uuid:org_id>/<any(suspend, unsuspend, close, reopen):act>": (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/orgs/<uuid:org_id>/overdraft":            (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/orgs/<uuid:org_id>/overdraft":           (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/orgs/<uuid:org_id>/external-key":         (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/orgs/<uuid:org_id>/external-key":        (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/external-keys":                           (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/external-keys/<uuid:org_id>/<any(confirm, clear):act>": (303, 403, 403, 403, 403, 403, 303),
    "GET /admin/users":                                   (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/users/<uuid:user_id>":                    (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/users/<uuid:user_id>/<any(grant, remove):act>":  (303, 403, 403, 403, 403, 403, 303),
    "POST /admin/users/<uuid:user_id>/<any(grant, remove):act>": (303, 403, 403, 403, 403, 403, 307),
    f"GET {PERSON_ACT}":                                  (303, 403, 403, 403, 403, 403, 200),
    f"POST {PERSON_ACT}":                                 (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/payments":                                (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/payments/<uuid:payment_id>":              (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/payments/<uuid:payment_id>/accept":       (303, 403, 403, 403, 403, 403, 409),
    "POST /admin/payments/<uuid:payment_id>/accept":      (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/payments/<uuid:payment_id>/reject":       (303, 403, 403, 403, 403, 403, 409),
    "POST /admin/payments/<uuid:payment_id>/reject":      (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/webhooks":                                (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/webhooks/<uuid:event_id>":                (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/webhooks/<uuid:event_id>/live":           (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/webhooks/<uuid:event_id>/retry":          (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/webhooks/<uuid:event_id>/retry":         (303, 403, 403, 403, 403, 403, 303),
    "GET /admin/webhooks/<uuid:event_id>/ignore":         (303, 403, 403, 403, 403, 403, 409),
    "POST /admin/webhooks/<uuid:event_id>/ignore":        (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/service-keys":                            (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/service-keys":                           (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/service-keys/new":                        (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/service-keys/<uuid:service_key_id>":      (303, 403, 403, 403, 403, 403, 200),
    f"GET {SERVICE_KEY_ACT}":                             (303, 403, 403, 403, 403, 403, 200),
    f"POST {SERVICE_KEY_ACT}":                            (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/audit":                                   (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/audit.csv":                               (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/audit/<uuid:entry_id>":                   (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/system":                                  (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/system/live":                             (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/system/test-mail":                      (303, 403, 403, 403, 403, 403, 303),
    "GET /admin/catalog/packs":                         (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/catalog/packs":                        (303, 403, 403, 403, 403, 403, 422),
    "GET /admin/catalog/packs/new":                     (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/catalog/packs/preview":                 (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/catalog/packs/<uuid:product_id>":       (303, 403, 403, 403, 403, 403, 200),
    "GET /admin/catalog/packs/<uuid:product_id>/edit":  (303, 403, 403, 403, 403, 403, 200),
    "POST /admin/catalog/packs/<uuid:product_id>/edit": (303, 403, 403, 403, 403, 403, 422),
    "POST /admin/catalog/packs/<uuid:product_id>/move": (303, 403, 403, 403, 403, 403, 303),
    "POST /admin/catalog/packs/<uuid:product_id>/price": (303, 403, 403, 403, 403, 403, 404),
    "POST /admin/catalog/packs/<uuid:product_id>/<any(archive, restore):act>": (303, 403, 403, 403, 403, 403, 303),
    "POST /logout":                                       (303, 303, 303, 303, 303, 303, 303),
    # For everyone with the link of an invite; this one is for none of them.
    "GET /invite/<invite>":                               (200, 200, 200, 200, 200, 200, 200),
    "POST /invite/<invite>/accept":                       (303, 403, 403, 403, 403, 403, 403),
    "POST /invite/<invite>/decline":                      (303, 403, 403, 403, 403, 403, 403),
    "POST /invite/<invite>/signup":                       (422, 303, 303, 303, 303, 303, 303),
    "POST /invite/<invite>/switch":                       (303, 303, 303, 303, 303, 303, 303),
    # For everyone, without a sign-in.
    "GET /dummy/checkout/<session_id>":                   (200, 200, 200, 200, 200, 200, 200),
    "POST /dummy/checkout/<session_id>":                  (303, 303, 303, 303, 303, 303, 303),
    "GET /dev/mail":                                      (200, 200, 200, 200, 200, 200, 200),
    "GET /dev/mail/<uuid:org_id>/<uuid:mail_id>":         (200, 200, 200, 200, 200, 200, 200),
    "GET /dev/mail/<uuid:org_id>/<uuid:mail_id>/html":    (200, 200, 200, 200, 200, 200, 200),
    "GET /dev/mail/<uuid:org_id>/<uuid:mail_id>/<int:number>": (200, 200, 200, 200, 200, 200, 200),
    "GET /styleguide":                                    (200, 200, 200, 200, 200, 200, 200),
    "GET /styleguide/form":                               (200, 200, 200, 200, 200, 200, 200),
    "POST /styleguide/form":                              (422, 422, 422, 422, 422, 422, 422),
    "GET /static/<path:filename>":                        (200, 200, 200, 200, 200, 200, 200),
    "GET /healthz":                                       (200, 200, 200, 200, 200, 200, 200),
    "GET /readyz":                                        (200, 200, 200, 200, 200, 200, 200),
    "GET /metrics":                                       (404, 404, 404, 404, 404, 404, 404),
    # After these the roles are not what they were: nothing that needs them may follow.
    "POST /o/<slug>/members/<uuid:member_id>/transfer":   (303, 404, 403, 403, 403, 303, 403),
    "POST /o/<slug>/leave":                               (303, 404, 303, 303, 303, 303, 403),
}

PROGRAMS = (
    "nobody", "foreign", "narrow", "full", "owner", "admin", "member", "viewer", "stranger", "manager", "service",
)
"""No token; a key of another organization; a key without scopes that fit; a key with all; people's tokens with all; a
service key with all."""

CALLS: dict[str, tuple[int, ...]] = {
    # route and method                                            none forn narr full ownr admn memb view strg mngr
    "GET /api/v1/orgs":                                         (401, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    "POST /api/v1/orgs":                                        (401, 403, 403, 403, 201, 201, 201, 201, 201, 201, 201),
    "GET /api/v1/orgs/<org:org_id>":                           (401, 404, 200, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /api/v1/orgs/by-external-key/<key>":                   (401, 403, 403, 403, 200, 200, 404, 200, 404, 200, 200),
    "PATCH /api/v1/orgs/<org:org_id>":                         (401, 404, 403, 403, 200, 403, 403, 403, 404, 403, 403),
    "DELETE /api/v1/orgs/<org:org_id>":                        (401, 404, 403, 403, 409, 403, 403, 403, 404, 403, 403),
    "GET /api/v1/orgs/<org:org_id>/members":                   (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 403),
    "GET /api/v1/orgs/<org:org_id>/members/<uuid:id>":         (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 403),
    "PATCH /api/v1/orgs/<org:org_id>/members/<uuid:id>":       (401, 404, 403, 200, 200, 200, 403, 403, 404, 403, 403),
    "DELETE /api/v1/orgs/<org:org_id>/members/<uuid:id>":      (401, 404, 403, 200, 200, 200, 403, 403, 404, 403, 403),
    "GET /api/v1/orgs/<org:org_id>/wallet":                    (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "POST /api/v1/orgs/<org:org_id>/wallet":                   (401, 404, 403, 201, 403, 403, 403, 403, 404, 201, 201),
    "GET /api/v1/orgs/<org:org_id>/wallets":                   (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/wallets/<uuid:id>":         (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/limits":                    (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 403),
    "POST /api/v1/orgs/<org:org_id>/limits":                   (401, 404, 403, 201, 201, 201, 403, 403, 404, 403, 403),
    "GET /api/v1/orgs/<org:org_id>/limits/<uuid:id>":          (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 403),
    "PATCH /api/v1/orgs/<org:org_id>/limits/<uuid:id>":        (401, 404, 403, 200, 200, 200, 403, 403, 404, 403, 403),
    "DELETE /api/v1/orgs/<org:org_id>/limits/<uuid:id>":       (401, 404, 403, 204, 204, 204, 403, 403, 404, 403, 403),
    "GET /api/v1/orgs/<org:org_id>/spendable":                 (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/transactions":              (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/transactions/<uuid:id>":    (401, 404, 403, 200, 200, 200, 404, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/payments":                  (401, 404, 403, 200, 200, 200, 403, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/payments/<uuid:id>":        (401, 404, 403, 200, 200, 200, 403, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/audit":                     (401, 404, 403, 200, 200, 200, 403, 200, 404, 200, 403),
    "GET /api/v1/orgs/<org:org_id>/audit/<uuid:id>":           (401, 404, 403, 200, 200, 200, 403, 200, 404, 200, 403),
    "POST /api/v1/orgs/<org:org_id>/checkout":                 (401, 404, 403, 201, 201, 201, 403, 403, 404, 403, 201),
    "GET /api/v1/orgs/<org:org_id>/products":                  (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/products/<uuid:id>":        (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "POST /api/v1/orgs/<org:org_id>/products":                 (401, 404, 403, 403, 403, 403, 403, 403, 404, 403, 403),
    "PATCH /api/v1/orgs/<org:org_id>/products/<uuid:id>":      (401, 404, 403, 403, 403, 403, 403, 403, 404, 403, 403),
    "DELETE /api/v1/orgs/<org:org_id>/products/<uuid:id>":     (401, 404, 403, 403, 403, 403, 403, 403, 404, 403, 403),
    "GET /api/v1/me":                                           (401, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    "PUT /api/v1/orgs/<org:org_id>/identity-provider":         (401, 404, 403, 403, 200, 403, 403, 403, 404, 403, 403),
    "GET /api/v1/orgs/<org:org_id>/identity-provider":         (401, 404, 403, 403, 200, 403, 403, 403, 404, 403, 403),
    "DELETE /api/v1/orgs/<org:org_id>/identity-provider":      (401, 404, 403, 403, 204, 403, 403, 403, 404, 403, 403),
    "GET /api/v1/orgs/<org:org_id>/api-keys":                  (401, 404, 403, 403, 200, 200, 200, 200, 404, 200, 403),
    "GET /api/v1/orgs/<org:org_id>/api-keys/<uuid:key_id>":    (401, 404, 403, 403, 200, 200, 404, 404, 404, 200, 403),
    "POST /api/v1/orgs/<org:org_id>/api-keys":                 (401, 404, 403, 403, 201, 201, 201, 201, 404, 201, 403),
    "PATCH /api/v1/orgs/<org:org_id>/api-keys/<uuid:key_id>":  (401, 404, 403, 403, 200, 200, 404, 404, 404, 403, 403),
    # The first one rotates it, the second finds it rotated.
    "POST /api/v1/orgs/<org:org_id>/api-keys/<uuid:key_id>/rotate":
                                                                (401, 404, 403, 403, 201, 409, 404, 404, 404, 403, 403),
    "DELETE /api/v1/orgs/<org:org_id>/api-keys/<uuid:key_id>": (401, 404, 403, 403, 204, 204, 404, 404, 404, 204, 403),
    "GET /api/v1/orgs/<org:org_id>/invites":                  (401, 404, 403, 200, 200, 200, 403, 200, 404, 200, 403),
    "GET /api/v1/orgs/<org:org_id>/invites/<uuid:id>":         (401, 404, 403, 200, 200, 200, 403, 200, 404, 200, 403),
    "POST /api/v1/orgs/<org:org_id>/invites":                 (401, 404, 403, 201, 201, 201, 403, 403, 404, 403, 403),
    "POST /api/v1/orgs/<org:org_id>/members":                 (401, 404, 403, 201, 201, 201, 403, 403, 404, 403, 403),
    "POST /api/v1/orgs/<org:org_id>/invites/<uuid:id>/resend": (401, 404, 403, 200, 200, 200, 403, 403, 404, 403, 403),
    "DELETE /api/v1/orgs/<org:org_id>/invites/<uuid:id>":     (401, 404, 403, 204, 204, 204, 403, 403, 404, 403, 403),
    # Whose address it is decides, once the token leads somewhere.
    "GET /api/v1/invites/peek":                                (404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404),
    "POST /api/v1/invites/accept":                             (401, 403, 403, 403, 404, 404, 404, 404, 404, 404, 403),
    "POST /api/v1/invites/decline":                            (401, 403, 403, 403, 404, 404, 404, 404, 404, 404, 403),
    "GET /api/v1/orgs/<org:org_id>/grants":                    (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/grants/<uuid:id>":          (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "POST /admin/api/v1/transactions":                          (401, 403, 403, 403, 403, 403, 403, 403, 403, 201, 403),
    "GET /admin/api/v1/transactions":                           (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "GET /admin/api/v1/transactions/<uuid:id>":                (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "POST /api/v1/orgs/<org:org_id>/usage":                   (401, 404, 403, 201, 201, 201, 201, 403, 404, 403, 201),
    "POST /api/v1/orgs/<org:org_id>/usage/batch":             (401, 404, 403, 201, 201, 201, 201, 403, 404, 403, 201),
    "POST /api/v1/orgs/<org:org_id>/usage/charge":            (401, 404, 403, 207, 207, 207, 207, 403, 404, 403, 207),
    "GET /api/v1/orgs/<org:org_id>/usage":                    (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/usage/events":             (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/holds":                    (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/holds/<uuid:id>":          (401, 404, 403, 200, 200, 200, 404, 200, 404, 200, 200),
    "POST /api/v1/orgs/<org:org_id>/holds":                   (401, 404, 403, 201, 201, 201, 201, 403, 404, 403, 201),
    "POST /api/v1/orgs/<org:org_id>/holds/<uuid:id>/extend":  (401, 404, 403, 200, 200, 200, 404, 403, 404, 403, 200),
    "POST /api/v1/orgs/<org:org_id>/holds/<uuid:id>/capture": (401, 404, 403, 200, 200, 200, 404, 403, 404, 403, 200),
    "POST /api/v1/orgs/<org:org_id>/holds/<uuid:id>/release": (401, 404, 403, 200, 200, 200, 404, 403, 404, 403, 200),
    "GET /api/v1/orgs/<org:org_id>/usage/events/<uuid:id>":  (401, 404, 403, 200, 200, 200, 404, 200, 404, 200, 200),
    "POST /api/v1/orgs/<org:org_id>/usage/events/<uuid:id>/void":
        (401, 404, 403, 403, 403, 403, 403, 403, 404, 200, 200),
    "GET /api/v1/orgs/<org:org_id>/metrics":                  (401, 404, 403, 200, 200, 200, 200, 200, 404, 200, 200),
    "GET /admin/api/v1/metrics":                                (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "POST /admin/api/v1/metrics":                               (401, 403, 403, 403, 403, 403, 403, 403, 403, 201, 403),
    "POST /admin/api/v1/metrics/<metric_key>/prices":           (401, 403, 403, 403, 403, 403, 403, 403, 403, 201, 403),
    "GET /admin/api/v1/products":                               (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "GET /admin/api/v1/products/<uuid:id>":                    (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "POST /admin/api/v1/products":                              (401, 403, 403, 403, 403, 403, 403, 403, 403, 201, 403),
    "PATCH /admin/api/v1/products/<uuid:id>":                   (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "DELETE /admin/api/v1/products/<uuid:id>":                  (401, 403, 403, 403, 403, 403, 403, 403, 403, 204, 403),
    "GET /admin/api/v1/orgs":                                   (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "GET /admin/api/v1/orgs/<org:id>":                        (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "PATCH /admin/api/v1/orgs/<org:id>":                       (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "GET /admin/api/v1/users":                                  (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    "GET /admin/api/v1/users/<uuid:id>":                       (401, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403),
    # After this the owner is an admin: nothing that needs one may follow.
    "POST /api/v1/orgs/<org:org_id>/ownership-transfer":       (401, 404, 403, 403, 200, 403, 403, 403, 404, 403, 403),
    # For everyone: documents, and webhooks, which are told apart by their signature alone.
    "GET /api/v1/docs":                                         (200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/docs/<group>":                                 (200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /api/v1/openapi.json":                                 (200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    "GET /admin/api/v1/openapi.json":                           (200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    "POST /admin/api/v1/webhooks/payments":                     (400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 400),
    "POST /api/v1/payments/stripe/webhooks/<project_id>/<mode>":(400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 400),
}
# fmt: on

PACK = {"name": "Matrix", "price_cents": 100, "currency": "usd", "amount_micros": 1_000_000, "active": True}


def body_of(line: str, org_id: str, product_id: str, member_id: str = "") -> dict[str, object]:
    """What a program sends there when it sends something good: rights are told after the body is read."""
    method, _, rule = line.partition(" ")
    if rule.endswith("/wallet"):
        return {"operation": "deposit", "amount_micros": 1_000_000, "description": "Matrix"}
    if line == "POST /api/v1/orgs":
        return {"name": "Matrix"}
    if rule.endswith(("/orgs/<org:org_id>/invites", "/orgs/<org:org_id>/members")):
        return {"email": f"{secrets.token_hex(4)}@example.test", "role": "member"}
    if rule.endswith(("/invites/accept", "/invites/decline")):
        return {"token": "never was"}
    if "/members" in rule:
        return {"role": "member"}
    if rule.endswith("/ownership-transfer"):
        return {"member_id": member_id}
    if rule.endswith("/checkout"):
        urls = {"success_url": "http://localhost/ok", "cancel_url": "http://localhost/no"}
        return {"product_id": product_id, **urls}
    if rule.endswith("/usage/charge"):
        return {"event_ids": ["01890000-0000-7000-8000-000000000000"]}
    if rule.endswith("/void"):
        return {"reason": "Matrix"}
    if rule.endswith("/limits"):
        return {"scope": "app", "subject": secrets.token_hex(4), "window": "day", "amount_micros": 10**15}
    if rule.endswith("/usage"):
        return {"metric_key": "matrix", "units": 1}
    if rule.endswith("/usage/batch"):
        return {"events": [{"metric_key": "matrix", "units": 1}]}
    if rule.endswith("/holds"):
        return {"amount_micros": 1}
    if rule == "/admin/api/v1/metrics":
        return {"metric_key": f"m{secrets.token_hex(4)}", "name": "Matrix", "unit": "piece"}
    if rule.endswith("/prices"):
        return {"amount_micros": 0}
    if rule == "/admin/api/v1/transactions":
        return {"org_id": org_id, "transaction_type": "admin_grant", "amount": 1, "description": "Matrix"}
    if rule.endswith("/api-keys"):
        return {"name": "Matrix", "scopes": ["catalog:read"]}
    if rule.endswith("/identity-provider"):
        return {"issuer": "https://login.example.test", "algorithm": "HS256", "secret": "x" * 40}
    if rule.endswith("/rotate"):
        return {"grace": "7d"}
    if rule.endswith("/api-keys/<uuid:key_id>"):
        return {"cap": None}
    if rule.endswith("/products") and method == "POST":
        return PACK
    if line == "PATCH /admin/api/v1/orgs/<org:id>":
        return {"reason": "Matrix"}
    return {}
