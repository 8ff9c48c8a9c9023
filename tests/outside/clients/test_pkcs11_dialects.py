"""Keys of other dialects than aws-v2 in a PKCS#11 token."""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import time
import urllib.parse
import uuid

import pytest
from importexport import KEY_ID, SECRET
from softhsm import LABEL, PIN, shim, token  # noqa: F401 (fixtures)
from test_pkcs11 import document, memory, post, serve, traces  # noqa: F401 (fixtures)
from v4_endpoint import day_keys, v4_endpoint

REGION, SERVICE = "eu-central-1", "iam"
AWS_V4 = f'profile = {{ dialect = "aws-v4", region = "{REGION}", service = "{SERVICE}" }}'
ALL_BUT_TWO = ["aws-v2", "openstack", "nifcloud", "eucalyptus", "cloudstack", "qingcloud", "tencent-v1", "alibaba-acs3",
               "volcengine"]


def objects(token):
    return token.pkcs11_tool("--login", "--pin", PIN, "--list-objects").stdout


@pytest.mark.parametrize(("dialect", "label", "methods", "fits"), [
    ("aws-v2", "main", "HmacSHA256 and HmacSHA1", ALL_BUT_TWO),
    ("cloudstack", "main", "HmacSHA256 and HmacSHA1", ALL_BUT_TWO),
    ("aws-v4", "main.aws-v4", "HmacSHA256", ["aws-v4"]),
    ("alibaba-rpc", "main.alibaba-rpc", "HmacSHA1", ["alibaba-rpc"]),
])  # fmt: skip
def test_the_label_of_an_imported_key_says_which_dialects_it_signs(
    token, countersign_bin, dialect, label, methods, fits
):
    done = token.import_key(countersign_bin, document(), "object=main;id=%01", "--dialect", dialect)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[0]
    named = said.rpartition(", for ")[2].split(", ")
    assert f"with {methods}, for" in said and sorted(named) == sorted(fits), said
    assert f'uri = "pkcs11:token={LABEL};object={label};id=%01"' in done.stdout
    assert f"label:      {label}\n" in objects(token)


def test_one_secret_is_imported_for_every_dialect_and_each_only_once(token, countersign_bin):
    for dialect in ("aws-v2", "aws-v4", "alibaba-rpc"):
        done = token.import_key(countersign_bin, document(), "object=main", "--dialect", dialect)
        assert done.returncode == 0, done.stderr
    again = token.import_key(countersign_bin, document(), "object=main", "--dialect", "aws-v4")
    assert again.returncode == 78 and "already has a secret key with label `main.aws-v4`" in again.stderr


@pytest.mark.parametrize(("attributes", "arguments", "why"), [
    ("object=main.aws-v4", [], "the label \"main.aws-v4\" says that the key is for another dialect than aws-v2"),
    ("object=main.aws-v4", ["--dialect", "alibaba-rpc"], "another dialect than alibaba-rpc"),
    ("id=%01", ["--dialect", "aws-v4"], "a key for aws-v4 needs a label, which says so: add object=NAME to the URI"),
])
def test_a_label_that_would_mislead_is_refused(token, countersign_bin, attributes, arguments, why):
    done = token.import_key(countersign_bin, document(), attributes, *arguments)
    assert done.returncode == 65 and why in done.stderr, done.stderr
    assert "Secret Key" not in objects(token)


@pytest.mark.parametrize(("dialect", "key_type", "method"), [
    ("aws-v4", "sha1-hmac", "HmacSHA256"), ("alibaba-rpc", "sha256-hmac", "HmacSHA1"),
    ("cloudstack", "sha256-hmac", "HmacSHA1"),
])  # fmt: skip
def test_a_key_that_does_not_compute_the_mac_of_its_dialect_does_not_stay(
    token, countersign_bin, dialect, key_type, method
):
    done = token.import_key(countersign_bin, document(), "object=main", "--dialect", dialect, "--key-type", key_type)
    assert done.returncode == 78 and f"does not compute {method}" in done.stderr, done.stderr
    assert "the object was removed again" in done.stderr
    assert "Secret Key" not in objects(token)
