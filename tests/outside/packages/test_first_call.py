"""docs/guide/install.md: from the deb and from the rpm to a signed call, by what the page says and nothing else.

The commands are the page's. What a reader sees on the page after a command is what the command has printed.
"""

import re

import documents
import pytest
import steps
from machine import boot

PAGE = documents.TOP / "docs/guide/install.md"
BLOCK_ENDS = "=== block ends"
# what a reader does by reading on: the sandbox is there when the next command is pasted
READING = "for _ in $(seq 600); do (: <>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.1; done\n"


def walk(heading):
    """The commands below a heading, each with what the page says that it prints (None: nothing is said)."""
    found = []
    for block in documents.blocks(PAGE):
        if block.headings[-1] != heading:
            continue
        if block.is_for_the_shell:
            found.append([block.text, None])
        elif block.language == "text":
            found[-1][1] = block.text.strip("\n")
    assert found, heading
    return found


def pasted(blocks, port):
    """One script of these commands, as a reader pastes them."""
    script = []
    for text, _ in blocks:
        after = READING.format(port=port) if " sandbox " in text else ""
        script.append(f"{text}{after}echo; echo '{BLOCK_ENDS}'\n")
    return "".join(script)


def compare(blocks, output):
    parts = output.split(BLOCK_ENDS)
    assert len(parts) == len(blocks) + 1, output
    for (text, expected), printed in zip(blocks, parts, strict=False):
        if expected is not None:
            assert printed.strip() == expected, text


def package_named(text, suffix):
    return re.search(rf"\./(\S+\.{suffix})", text)[1]


@pytest.fixture
def service(root, tmp_path):
    """Runs blocks of the page in a system in which a package can be installed."""

    def run(blocks, given):
        files = " ".join(f"/given/{name}" for name in given)
        script = f"mkdir /new && cd /new && cp {files} . && set -e\n{pasted(blocks, 8443)}"
        said = boot(root, tmp_path, given, {"page": f"bash -c '{quoted(script)}' 2>/errors; code=$?; cat /errors >&2; "
                                                    f"(exit $code)",
                                            "log": "journalctl -o cat -u countersign"})
        assert said["page"].code == 0, said["page"].text
        assert steps.SECRET not in said["log"].text
        return said["page"].text

    return run


def quoted(text):
    return text.replace("'", "'\\''")


def test_from_the_deb_to_a_signed_call_by_the_page_alone(service, deb, version):
    blocks = walk("Debian and Ubuntu")
    name = package_named(blocks[0][0], "deb")
    assert name == f"countersign_{version}_amd64.deb"
    compare(blocks, service(blocks, {name: deb("countersign")}))


def test_from_the_rpm_to_a_signed_call_by_the_page_alone(service, rpm, version):
    """There is no dnf in the root: rpm itself installs, and the rest are the commands of the deb, as the page says."""
    ((first, _),) = walk("Red Hat and Fedora")
    name = package_named(first, "rpm")
    assert name == f"countersign-{version}-1.x86_64.rpm"
    blocks = [[f"rpm --install --nodeps ./{name}\n", None], *walk("Debian and Ubuntu")[1:]]
    compare(blocks, service(blocks, {name: rpm("countersign")}))
