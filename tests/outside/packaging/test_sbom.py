"""The bill of materials, and what scanners find: crates in the program and in the image, and no path of a machine."""

import gzip
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing
from private_keys import PRIVATE_KEY
from project_env import PROJECT, TOP, VERSION

SYFT = pathlib.Path(sys.executable).parent / "syft"
OURS = {"countersign", "secret-memory"}
QUIET = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}


@pytest.fixture(scope="module")
def sbom(dist):
    (path,) = dist.glob("*.cdx.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def unpacked(dist, tmp_path_factory):
    """The archive's one directory."""
    (packed,) = dist.glob("*.tar.zst")
    place = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["tar", "--extract", "--zstd", "--file", packed, "--directory", place], check=True)
    (inside,) = place.iterdir()
    return inside


def crates_by_syft(source):
    command = [SYFT, "scan", source, "--output", "syft-json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=QUIET, timeout=300)
    return {(found["name"], found["version"]) for found in json.loads(done.stdout)["artifacts"]
            if found["type"] == "rust-crate"}


def crates_of(sbom, scope="required"):
    return {(part["name"], part["version"]) for part in sbom["components"]
            if part["purl"].startswith("pkg:cargo/") and part["scope"] == scope}


def test_the_bill_of_materials_keeps_to_the_schema_of_cyclonedx(sbom):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(sbom)) is None
    read = Bom.from_json(sbom)
    assert len(read.components) == len(sbom["components"]) > 250
    assert read.metadata.component.name == PROJECT["NAME"]


def test_every_crate_has_a_licence_that_spdx_knows_and_the_hash_of_its_package(sbom):
    spdx = get_spdx_licensing()
    locked = (TOP / "Cargo.lock").read_text()
    for part in sbom["components"]:
        (licence,) = part["licenses"]
        expression = licence.get("expression") or licence["license"]["id"]
        assert not spdx.validate(expression).errors, part
        if part["name"] in OURS | {"aws-lc"}:
            continue
        (digest,) = part["hashes"]
        assert digest["alg"] == "SHA-256"
        entry = f'name = "{part["name"]}"\nversion = "{part["version"]}"\n'
        assert f'checksum = "{digest["content"]}"' in locked.split(entry)[1].split("[[package]]")[0], part


def test_it_describes_the_very_program_that_is_in_the_archive(sbom, unpacked):
    main = sbom["metadata"]["component"]
    digest = hashlib.sha256((unpacked / "bin/countersign").read_bytes()).hexdigest()
    assert main["hashes"] == [{"alg": "SHA-256", "content": digest}]
    told = [entry["value"] for entry in main["properties"] if entry["name"] == "countersign:toolchain"]
    assert [text for text in told if text.startswith("rustc version ")], told


def test_the_c_code_of_the_cryptography_is_listed_under_the_name_that_advisories_use(sbom):
    (found,) = [part for part in sbom["components"] if part["name"] == "aws-lc"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    assert found["cpe"] == f"cpe:2.3:a:amazon:aws_libcrypto:{found['version']}:*:*:*:*:*:*:*"
    (crate,) = [entry for entry in sbom["dependencies"] if entry["ref"].startswith("pkg:cargo/aws-lc-sys@")]
    assert found["bom-ref"] in crate["dependsOn"]


def test_a_scanner_finds_every_crate_in_the_program(sbom, unpacked):
    """It also finds the macros of the list, which it cannot tell from crates in the program."""
    found = crates_by_syft(f"file:{unpacked / 'bin/countersign'}")
    assert crates_of(sbom) - found <= {entry for entry in crates_of(sbom) if entry[0] in OURS}
    assert found <= crates_of(sbom) | crates_of(sbom, "excluded") | {(PROJECT["NAME"], VERSION)}


def test_a_scanner_finds_every_crate_in_the_image(dist, sbom):
    (image,) = dist.glob("*.oci.tar")
    found = crates_by_syft(f"oci-archive:{image}")
    assert {entry for entry in crates_of(sbom) if entry[0] not in OURS} <= found


def test_what_only_compilers_use_is_not_listed_as_a_part_of_the_program(sbom):
    """ring is forbidden in it by deny.toml, and the list of cargo-auditable names it."""
    excluded = {name for name, _ in crates_of(sbom, "excluded")}
    assert {"syn", "quote", "cc"} <= excluded
    assert not {"syn", "cc", "ring", "openssl-sys"} & {name for name, _ in crates_of(sbom)}


def test_every_crate_in_the_program_has_its_licence_in_the_archive(sbom, unpacked):
    text = gzip.decompress((unpacked / "share/doc/countersign/licences.txt.gz").read_bytes()).decode()
    licensed = {tuple(match) for match in re.findall(r"^(\S+) (\S+)\n    licence: ", text, re.MULTILINE)}
    assert licensed == {entry for entry in crates_of(sbom) if entry[0] not in OURS}


def test_neither_program_nor_papers_name_a_path_of_the_machine_that_built_them(dist, unpacked):
    cargo_home = os.environ.get("CARGO_HOME") or pathlib.Path.home() / ".cargo"
    private = [str(TOP), str(cargo_home), "/root/", "/home/", ".cargo/registry", ".rustup/"]
    for path in [*unpacked.rglob("*"), *dist.glob("*.json"), dist / "BUILD.txt"]:
        if path.is_file() and "examples" not in path.parts:
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            named = [name for name in private if name.encode() in content]
            # documents may speak of the home of root, and paths in a sample are a user's
            assert not [name for name in named if path.name == "countersign" or name == str(TOP)], (path, named)


def test_no_private_key_is_in_the_archive(unpacked):
    for path in filter(pathlib.Path.is_file, unpacked.rglob("*")):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        assert not PRIVATE_KEY.search(content), path


def test_the_same_program_has_the_same_bill(unpacked, sbom, dist, tmp_path):
    (path,) = dist.glob("*.cdx.json")
    again = tmp_path / "again.json"
    subprocess.run([TOP / "packaging/sbom", unpacked / "bin/countersign", again], check=True)
    assert again.read_bytes() == path.read_bytes()


def test_a_program_without_the_list_of_its_crates_gets_no_bill(tmp_path):
    done = subprocess.run([TOP / "packaging/sbom", "/bin/true", tmp_path / "out"], capture_output=True, text=True)
    assert (done.returncode, "does not contain the list of its crates" in done.stderr) == (65, True), done
    assert not (tmp_path / "out").exists()
