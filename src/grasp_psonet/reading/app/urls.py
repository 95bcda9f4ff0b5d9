"""Every address of the app."""

from typing import Any

from django.conf import settings
from django.urls import path, re_path

from grasp_psonet.reading.app.pages import audit, coordinate, faults, read, session

_CODE = r"(?P<code>[A-Za-z0-9_-]{22})"
_NAME = r"(?P<name>[a-z0-9][a-z0-9_-]{0,39})"

urlpatterns: list[Any] = [
    path("", session.home, name="home"),
    path("sign-in/", session.sign_in, name="sign-in"),
    path("sign-out/", session.sign_out, name="sign-out"),
    path("password/", session.password, name="password"),
    path("queue/", read.queue, name="queue"),
    path("queue/next/", read.next_item, name="next"),
    re_path(rf"^item/{_CODE}/$", read.item, name="item"),
    re_path(rf"^item/{_CODE}/draft/$", read.draft, name="draft"),
    re_path(rf"^item/{_CODE}/sign/$", read.signing, name="sign"),
    re_path(rf"^item/{_CODE}/correct/$", read.correction, name="correct"),
    re_path(rf"^photo/{_CODE}/(?P<size>large|small)/$", read.photo, name="photo"),
    path("people/", coordinate.people, name="people"),
    re_path(r"^people/(?P<username>[a-z][a-z0-9._-]{1,39})/$", coordinate.change_person, name="person"),
    path("rounds/", coordinate.rounds, name="rounds"),
    re_path(rf"^rounds/{_NAME}/$", coordinate.one_round, name="round"),
    re_path(rf"^rounds/{_NAME}/(?P<move>open|lock)/$", coordinate.move_round, name="move-round"),
    path("trail/", audit.trail, name="trail"),
    path("trail/proof/", audit.proof, name="proof"),
]
if settings.GRASP_SIGN_ON is not None:
    from grasp_psonet.reading.app.pages import sign_on  # which needs the packages of single sign-on

    _PROVIDER = r"(?P<provider_id>[0-9a-f]{12})"
    urlpatterns += [  # by the names that django-allauth asks for
        re_path(rf"^sign-on/{_PROVIDER}/$", sign_on.start, name="openid_connect_login"),
        re_path(rf"^sign-on/{_PROVIDER}/callback/$", sign_on.callback, name="openid_connect_callback"),
    ]
handler400 = faults.bad_request
handler404 = faults.not_here
handler500 = faults.broken
