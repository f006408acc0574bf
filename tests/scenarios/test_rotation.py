"""Rotation without a restart: what is changed in eatr's files and in AWS's is in force by itself.

No test here sends SIGHUP. eatr waits until a file has been quiet for half a second, see src/file-watch.h.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from api_server import ApiServer
from certificates import Issued, validity
from conftest import MakeEatr, wait_fresh, writes
from eatr import Changes, Eatr, merged, to_ini, wait_for
from ecr import Ecr

SETTLE = 0.5
NEW_KEY = "rotated/secret/key/of/40/characters/0000"
RELOADED, REFUSED = "Reloaded: context ", "Not reloaded, the old configuration stays in force: "


def rotate(ecr: Ecr, one: Eatr) -> str:
    """ECR takes a new key only; returns it."""
    ecr.secret_key = NEW_KEY
    one.secrets.append(NEW_KEY)
    return NEW_KEY


def text_of(one: Eatr, changes: Changes) -> str:
    """eatr.conf with changes, which are not written."""
    path = one.directory / "unused"
    one.write_config(merged(one.config, changes), path)
    text = path.read_text()
    path.unlink()
    return text


def write_in_place(path: Path, text: str) -> None:
    """The same file, with other bytes in it."""
    with open(path, "r+", encoding="utf-8") as file:
        file.truncate()
        file.write(text)


def reloads(one: Eatr) -> list[str]:
    """The lines about a reload."""
    return [line for line in one.log if RELOADED in line or REFUSED in line]


def new_keys(key: str) -> Changes:
    """[aws] with another secret key."""
    return {"aws": {"aws_secret_access_key": key}}


# eatr.conf ----------------------------------------------------------------------------------------------


def test_new_keys_written_in_place_are_used(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """AWS is called with them at once, and the token goes into every Secret."""
    one = eatr().start()
    one.wait_ready()
    first = ecr.last_token
    write_in_place(one.config_path, text_of(one, new_keys(rotate(ecr, one))))
    wait_for(lambda: ecr.last_token != first, 5, "a call with the new keys")
    wait_fresh(ecr, api)
    assert [call.error for call in ecr.calls] == [None, None]
    assert len(reloads(one)) == 1
    assert one.messages("RELOADING") and one.messages("READY")[-1].time > one.messages("RELOADING")[-1].time


def test_a_new_blacklist_by_rename_is_in_force(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """As configuration management and editors do it; AWS is not asked."""
    api.add_namespace("shop")
    one = eatr({"namespaces": {"blacklist": "shop"}}).start()
    one.wait_ready()
    assert api.secret("shop") is None
    one.change_config({"namespaces": {"blacklist": "kube-*"}})  # which renames
    wait_fresh(ecr, api, "shop", timeout=3)
    assert len(ecr.calls) == 1
    api.add_namespace("kube-new")
    api.add_namespace("late")
    wait_fresh(ecr, api, "late", timeout=2)
    assert api.secret("kube-new") is None


def test_a_drop_in_comes_and_goes(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Also in a folder that was not there before."""
    one = eatr().start()
    one.wait_ready()
    folder = one.directory / "eatr.conf.d"
    folder.mkdir()
    drop_in = one.write_config("[namespaces]\nblacklist = shop\n", folder / "50-shop.conf")
    one.wait_log(RELOADED)
    api.add_namespace("shop")
    api.add_namespace("late")
    wait_fresh(ecr, api, "late", timeout=2)
    assert api.secret("shop") is None
    drop_in.unlink()
    wait_fresh(ecr, api, "shop", timeout=3)
    assert len(ecr.calls) == 1


def test_a_file_that_is_being_written_is_not_read(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Not in between, however many pieces there are."""
    one = eatr().start()
    one.wait_ready()
    text = text_of(one, merged(new_keys(rotate(ecr, one)), {"namespaces": {"blacklist": "shop"}}))
    cuts = [0, text.index("secret_access") + 9, text.index("blacklist") + 3, len(text)]
    with open(one.config_path, "w", encoding="utf-8") as file:
        for begin, end in zip(cuts, cuts[1:]):
            file.write(text[begin:end])
            file.flush()
            time.sleep(0.1)  # the writer's own pace
    one.wait_log(RELOADED)
    wait_for(lambda: len(ecr.tokens) == 2)
    assert len(reloads(one)) == 1 and [call.error for call in ecr.calls] == [None, None]


def test_keys_that_do_not_work_cost_nothing(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The token stays and is said to; the next edit puts it right."""
    one = eatr().start()
    one.wait_ready()
    first = ecr.last_token
    rotate(ecr, one)
    one.change_config(new_keys(NEW_KEY[::-1]))
    one.secrets.append(NEW_KEY[::-1])
    one.wait_log("warning: No new token from .*InvalidSignatureException.*the current token is good for another 1[12]h")
    one.wait_status("; AWS: InvalidSignatureException")
    one.wait_metric('eatr_registry_up{registry="aws"}', 0)
    api.add_namespace("shop")
    wait_fresh(ecr, api, "shop", timeout=2)
    assert ecr.last_token == first and len(writes(api)) == 3

    one.change_config(new_keys(NEW_KEY))
    wait_for(lambda: ecr.last_token != first, 5, "a call with keys that work")
    wait_fresh(ecr, api)
    one.wait_metric('eatr_registry_up{registry="aws"}', 1)
    one.wait_status("good until [^;]*$")


def test_a_broken_edit_leaves_the_old_configuration_in_force(
    ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """It is named by file and line, once, and shown until the edit that mends it, which counts."""
    one = eatr({"namespaces": {"blacklist": "shop"}}).start()
    one.wait_ready()
    text = text_of(one, {"namespaces": {"blacklist": "late"}})
    line = text[: text.index("blacklist")].count("\n") + 1
    write_in_place(one.config_path, text.replace("blacklist", "blacklits"))
    one.wait_log(rf'error: {REFUSED}{one.config_path}:{line}: unknown key "blacklits".*did you mean "blacklist"')
    one.wait_status(f"; not reloaded: {one.config_path}:{line}: unknown key ")
    one.wait_metric("eatr_config_last_reload_successful", 0)
    for name in ("shop", "other"):
        api.add_namespace(name)
    wait_fresh(ecr, api, "other", timeout=2)
    assert api.secret("shop") is None and len(reloads(one)) == 1
    write_in_place(one.config_path, text)
    one.wait_metric("eatr_config_last_reload_successful", 1)
    one.wait_status("good until [^;]*$")
    wait_fresh(ecr, api, "shop", timeout=3)
    assert len(ecr.calls) == 1 and len(reloads(one)) == 2


def test_a_configuration_that_goes_away_and_comes_back(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """As an editor may do it that takes its time; the old one is in force meanwhile."""
    one = eatr().start()
    one.wait_ready()
    text = text_of(one, {"namespaces": {"blacklist": "shop"}})
    one.config_path.unlink()
    one.wait_log(f"error: {REFUSED}{one.config_path}: .*No such file")
    one.write_config(text)
    one.wait_log(RELOADED)
    api.add_namespace("shop")
    api.add_namespace("other")
    wait_fresh(ecr, api, "other", timeout=2)
    assert api.secret("shop") is None and len(ecr.calls) == 1


def test_other_files_are_nothing_to_eatr(ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """Beside eatr.conf; what is read is seen, which shows that the others have been passed over."""
    one = eatr().start()
    one.wait_ready()
    for name in ("eatr.conf.swp", ".eatr.conf.x", "other.conf", "eatr.conf~"):
        (one.directory / name).write_text("[bad")
    (one.directory / "other.conf").rename(one.directory / "another.conf")
    (one.directory / "eatr.conf~").unlink()
    time.sleep(3 * SETTLE)  # nothing is to happen
    assert not reloads(one) and not one.messages("RELOADING")
    one.change_config({"namespaces": {"blacklist": "shop"}})
    one.wait_log(RELOADED)
    assert len(reloads(one)) == 1


@pytest.mark.parametrize("way", ["touch", "rewrite", "copy"])
def test_a_file_that_says_what_it_said_changes_nothing(
    way: str, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """No call of AWS, no list, no write, and no new time for the renewal."""
    one = eatr().start()
    one.wait_ready()
    path, before = one.config_path, len(api.requests)
    if way == "touch":
        path.touch()
    elif way == "rewrite":
        path.write_text(path.read_text())
    else:
        shutil.copy2(path, path.with_name("copy"))
        path.with_name("copy").rename(path)
    one.wait_log(RELOADED)
    one.metrics()
    assert len(ecr.calls) == 1 and len(api.requests) == before and len(reloads(one)) == 1
    assert one.get("/readyz") == (200, "ok\n")


# AWS's files --------------------------------------------------------------------------------------------


def profile(directory: Path, keys: dict[str, dict[str, object]]) -> Path:
    """A shared credentials file, renamed into place."""
    path = directory / "credentials"
    new = path.with_name("credentials.new")
    new.touch(0o600)
    new.write_text(to_ini(keys))
    new.rename(path)
    return path


def test_a_shared_credentials_file_is_replaced(tmp_path: Path, ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """The profile's new keys are used at once; a change of another profile costs no call."""
    path, no_keys = tmp_path / "credentials", {"aws_access_key_id": None, "aws_secret_access_key": None}

    def keys() -> dict[str, object]:
        return {"aws_access_key_id": ecr.access_key, "aws_secret_access_key": ecr.secret_key}

    profile(tmp_path, {"ecr": keys()})
    one = eatr({"aws": {**no_keys, "profile": "ecr", "shared_credentials_file": path}}).start()
    one.wait_ready()
    first = ecr.last_token
    profile(tmp_path, {"ecr": keys(), "someone": {"region": "us-east-1"}})
    one.wait_log(RELOADED)
    assert len(ecr.calls) == 1

    rotate(ecr, one)
    profile(tmp_path, {"ecr": keys()})
    wait_for(lambda: ecr.last_token != first, 5, "a call with the profile's new keys")
    wait_fresh(ecr, api)
    assert [call.error for call in ecr.calls] == [None, None]

    path.write_text("[ecr]\naws_access_key_id = x\n")
    one.wait_log(f"error: {REFUSED}.*{path}")
    assert len(ecr.calls) == 2


def test_a_link_to_the_credentials_is_turned(tmp_path: Path, ecr: Ecr, api: ApiServer, eatr: MakeEatr) -> None:
    """As the kubelet and Vault's agent do it: the name stays, and what it points to is another."""
    no_keys = {"aws_access_key_id": None, "aws_secret_access_key": None}

    def fill(name: str) -> None:
        (tmp_path / name).mkdir()
        profile(
            tmp_path / name,
            {"ecr": {"aws_access_key_id": ecr.access_key, "aws_secret_access_key": ecr.secret_key}},
        )

    fill("one")
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "credentials").symlink_to("data/credentials")
    one = eatr(
        {"aws": {**no_keys, "profile": "ecr", "shared_credentials_file": tmp_path / "credentials"}}
    ).start()
    one.wait_ready()
    first = ecr.last_token
    rotate(ecr, one)
    fill("two")
    (tmp_path / "data.new").symlink_to("two")
    os.rename(tmp_path / "data.new", tmp_path / "data")
    wait_for(lambda: ecr.last_token != first, 5, "a call with the new keys")
    wait_fresh(ecr, api)


# Certificates -------------------------------------------------------------------------------------------

ARN = "arn:aws:rolesanywhere:eu-west-1:111122223333:"
EXPIRY = 'eatr_certificate_expiry_timestamp_seconds{registry="aws"}'


def test_the_certificate_that_is_renewed_is_the_one_that_is_watched(
    tmp_path: Path, ecr: Ecr, api: ApiServer, eatr: MakeEatr
) -> None:
    """The metric follows the file. The double of ECR is no Roles Anywhere: what is asked there is refused."""
    authority = Issued.authority()
    first, second = (authority.leaf(days=days) for days in (1, 90))
    files = first.write(tmp_path)
    aws = {
        "aws_access_key_id": None,
        "aws_secret_access_key": None,
        "certificate": files.certificate,
        "private_key": files.key,
        "trust_anchor_arn": f"{ARN}trust-anchor/00000000-0000-4000-8000-000000000000",
        "profile_arn": f"{ARN}profile/00000000-0000-4000-8000-000000000000",
        "role_arn": "arn:aws:iam::111122223333:role/pull",
        "sts_endpoint_url": ecr.url,
    }
    one = eatr({"aws": aws}).start()
    one.wait_ready()
    one.wait_metric(EXPIRY, validity(first.certificate)[1] // 1)
    second.write(tmp_path, "new")
    (tmp_path / "new.key").rename(files.key)
    (tmp_path / "new.pem").rename(files.certificate)
    one.wait_metric(EXPIRY, validity(second.certificate)[1] // 1)
    assert len(reloads(one)) == 1
