"""Names of users become rights; what a definition asks for and cannot have is said before it starts."""

import os
import stat

import pytest

from kettlingard.core.spec import ServiceKeys, ServiceSpec
from kettlingard.host.accounts import account, is_ours
from kettlingard.host.files import private_dir
from kettlingard.host.given import give_files, give_folder, take_back
from kettlingard.host.possible import House, impossible
from kettlingard.host.spawn import Ids

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")
ME = Ids(os.geteuid(), os.getegid(), ())


def wrongs(house=House(), **keys):  # noqa: B008  frozen
    return impossible(ServiceSpec("blog", service=ServiceKeys(**keys)), house)


def test_a_user_by_name_or_number_with_their_own_group_and_more():
    nobody = account("nobody", more=["0"])
    assert account(str(nobody.ids.uid), more=["0"]) == nobody
    assert {0, nobody.ids.gid} <= set(nobody.ids.groups)
    assert nobody.variables["USER"] == nobody.variables["LOGNAME"] == "nobody"
    assert not is_ours(nobody.ids)
    assert is_ours(ME)


def test_whom_this_machine_does_not_have_is_a_problem_of_the_definition():
    assert wrongs(user="no-such-one") == [
        ("service.user", 'this machine has no user "no-such-one"')
    ]
    assert wrongs(user="nobody", group="no-such")[0][1] == 'this machine has no group "no-such"'
    assert wrongs(group="daemon") == [("service.group", "needs service.user beside it")]


def test_under_system_a_service_needs_a_user_that_is_not_root():
    strict = House(users_needed=True)
    [(key, why)] = wrongs(strict)
    assert (key, why[:12]) == ("service.user", "is missing: ")
    assert next(key for key, _ in wrongs(strict, user="root")) == "service.user"
    assert wrongs() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root can")
def test_only_root_can_start_processes_of_others():
    [(_, why)] = wrongs(user="nobody")
    assert "only a kettlingard of root" in why


def test_credentials_are_copies_that_only_their_reader_may_read(tmp_path):
    secret = tmp_path / "key"
    secret.write_text("s3cret")
    folder = tmp_path / "credentials" / "mark"
    give_files(folder, {"master": str(secret)}, None)
    assert (folder / "master").read_text() == "s3cret"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "master").stat().st_mode) == 0o400
    take_back(folder)
    with pytest.raises(FileNotFoundError):
        give_files(folder, {"a": str(secret), "b": str(tmp_path / "missing")}, None)
    assert not folder.exists()


@AS_ROOT
def test_a_service_gets_a_folder_of_its_own(tmp_path):
    nobody = account("nobody").ids
    folder = private_dir(tmp_path / "state")
    assert give_folder(folder, nobody).stat().st_uid == nobody.uid
    assert give_folder(folder, nobody) == folder
    other = account("daemon").ids
    with pytest.raises(Exception, match="belongs to uid"):
        give_folder(folder, other)
