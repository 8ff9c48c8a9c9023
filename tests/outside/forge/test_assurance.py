"""What the papers for a reviewer say is what the sources say."""

import re
import subprocess
import tomllib

import dependencies_table
import pytest
from release_tree import TOP

PAGE = dependencies_table.PAGE
TEXT = PAGE.read_text()
MANIFEST = tomllib.loads((TOP / "Cargo.toml").read_text())

# Crates that their authors file under cryptography, and that compute none: interfaces, encodings, containers,
# constants, the arithmetic below a curve, and what calls the implementations that the page names.
NO_ALGORITHM = {
    "aead", "age", "age-core", "base16ct", "block-buffer", "cipher", "cmov", "const-oid", "crypto-bigint",
    "crypto-common", "cryptoki", "cryptoki-sys", "ctutils", "der", "digest", "elliptic-curve", "kem", "pem",
    "primeorder", "rustls", "rustls-native-certs", "rustls-pki-types", "rustls-webpki", "sec1", "secrecy",
    "secret-memory", "signature", "subtle", "tokio-rustls", "universal-hash", "x509-parser", "zeroize",
    "zeroize_derive",
}
# parts of a construction that the page names
PART_OF = {
    "aes": "aes-gcm", "ctr": "aes-gcm", "ghash": "aes-gcm", "polyval": "aes-gcm", "chacha20": "chacha20poly1305",
    "poly1305": "chacha20poly1305", "keccak": "sha3", "salsa20": "scrypt", "ppv-lite86": "rand",
}


def test_the_tables_of_dependencies_are_what_the_manifests_say():
    assert TEXT == dependencies_table.written(TEXT), "run python3 tests/outside/forge/dependencies_table.py"


def test_every_section_names_a_test():
    sections = re.split(r"(?m)^## ", TEXT)[1:]
    assert len(sections) >= 8
    for section in sections:
        title = section.splitlines()[0]
        assert "\nTests: " in section or title == "What nobody has done", title


def test_the_unsafe_blocks_are_those_that_the_page_lists():
    listed = {name: int(count) for name, count in re.findall(r"(?m)^\| `(\w+\.rs)` \| (\d+) \|", TEXT)}
    counted = {}
    for path in sorted((TOP / "src/secret_memory").glob("*.rs")):
        code = re.split(r"#\[cfg\((?:all\()?test", path.read_text())[0]
        if blocks := len(re.findall(r"\bunsafe \{", code)):
            counted[path.name] = blocks
    assert listed == counted


def test_unsafe_code_is_forbidden_everywhere_else():
    # no `allow` in the sources can take that back
    assert MANIFEST["lints"]["rust"]["unsafe_code"] == "forbid"


def test_every_fuzz_target_is_on_the_page():
    [table] = re.findall(r"(?ms)^\| target \|.*?\n\n", TEXT)
    targets = sorted(path.stem for path in (TOP / "tests/fuzz/targets").glob("*.rs"))
    assert re.findall(r"(?m)^\| `(\w+)` \|", table) == targets


@pytest.fixture(scope="module")
def crates():
    """The crates in the program with all features, as names."""
    command = ["cargo", "tree", "--locked", "--offline", "--all-features", "--edges", "normal"]
    command += ["--prefix", "none", "--format", "{p}"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True, timeout=300)
    return {line.split()[0] for line in done.stdout.splitlines()}


def test_every_crate_that_computes_cryptography_is_on_the_page(crates):
    filed = {
        each["name"]
        for each in dependencies_table.metadata()["packages"]
        if "cryptography" in each["categories"] or {"crypto", "cryptography"} & set(each["keywords"])
    }
    named = set(re.findall(r"`([\w-]+)`", TEXT))
    for crate in (filed & crates) - NO_ALGORITHM:
        assert PART_OF.get(crate, crate) in named, f"{crate} is new: what is it used for?"


def test_no_module_of_fips_is_linked_while_the_page_says_so(crates):
    assert "aws-lc-sys" in crates
    assert "aws-lc-fips-sys" not in crates
    assert not [name for name, value in MANIFEST["dependencies"].items() if "fips" in str(value)]


def test_the_page_names_the_oldest_rust_of_the_manifest():
    assert f"The oldest Rust that compiles it is {MANIFEST['package']['rust-version']} " in TEXT


def test_the_supported_versions_are_those_of_this_minor_version():
    major, minor, _ = MANIFEST["package"]["version"].split(".")
    rows = re.findall(r"(?m)^\| (.*?) \| (.*?) \|$", (TOP / "SECURITY.md").read_text())
    assert f"{major}.{minor}.x, and the main branch" in dict(rows)


def test_how_soon_a_reporter_hears_from_us_is_said_in_numbers():
    text = (TOP / "SECURITY.md").read_text()
    assert len(re.findall(r"within \d+ (?:working )?days", text)) >= 3
    assert "private vulnerability reporting" in text
