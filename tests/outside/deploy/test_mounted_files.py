"""Files that something else puts there pass as they come: with the real owners, modes and symlinks of the kubelet, of
systemd and of HashiCorp's injector. What somebody else could change in the same places does not."""

import json
import os
import pathlib
import subprocess

import pytest
from serving import container

UID = 65532
# of the agent that the injector adds to a pod
AGENT, AGENT_GROUP = 100, 1000
TEXT = """\
[listener.local]
any_local = true
[route.importexport]
endpoint = "https://127.0.0.1/"
ca_file = "{authority}"
[key.main]
file = "/run/secrets/countersign/main.age"
identity_file = "/run/secrets/countersign/identity"
"""


def put(path, content, mode, owner=0, group=0):
    path.write_bytes(content)
    os.chown(path, owner, group)
    path.chmod(mode)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate of an authority, in PEM."""
    directory = tmp_path_factory.mktemp("authority")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
               "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return (directory / "ca.pem").read_bytes()


@pytest.fixture
def image(deploy, countersign, place, keys, run):
    """The image's root with a key that countersign's user alone may read."""
    root = place / "image"
    run([deploy / "collect-root", countersign, root])
    secrets = root / "run/secrets/countersign"
    secrets.mkdir(parents=True)
    for name, content in keys.items():
        put(secrets / name, content, 0o400, UID)
    return root


def check(image, config, group=UID, read_only=()):
    """Runs `check` in the image, with these of its directories mounted read-only."""
    words = [str(word) for word in container(image, "check", "--config", config, user=f"{UID}:{UID}", groups=group)]
    mounts = [f"mount --bind '{path}' '{path}' && mount -o remount,bind,ro '{path}'" for path in read_only]
    script = " && ".join([*mounts, 'exec "$0" "$@"'])
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def accepted(done):
    assert done.returncode == 0 and done.stdout.endswith("ok\n"), done.stderr


def refused(done, words):
    assert done.returncode == 77 and words in done.stderr, f"{done.returncode}\n{done.stderr}"


def config_map(directory, contents, group=None):
    """As the kubelet lays out a ConfigMap: an emptyDir on disk, which is 0777 and not sticky, with the files behind
    `..data`. With an fsGroup, the directories have its group and the setgid bit, and files are only read by it."""
    version = directory / "..2026_01_01_00_00_00.0000000001"
    version.mkdir(parents=True)
    for name, content in contents.items():
        put(version / name, content, 0o644, 0, group or 0)
        (directory / name).symlink_to(f"..data/{name}")
    (directory / "..data").symlink_to(version.name)
    for path, mode in [(version, 0o755), (directory, 0o777)]:
        os.chown(path, 0, group or 0)
        path.chmod(mode | (0o2050 if group else 0))


@pytest.mark.parametrize("group", [None, UID], ids=["plain", "fsGroup"])
def test_a_config_map_passes_as_the_kubelet_mounts_it_and_only_read_only(image, authority, group):
    mounted = image / "etc/countersign"
    text = TEXT.format(authority="/etc/countersign/ca.pem").encode()
    config_map(mounted, {"countersign.toml": text, "ca.pem": authority}, group)
    accepted(check(image, "/etc/countersign/countersign.toml", read_only=[mounted]))
    # the same directory, where others can write: it is not the mount that the kubelet makes
    words = "may replace files in /etc/countersign (mode "
    refused(check(image, "/etc/countersign/countersign.toml"), words)
    (mounted / "..data").unlink()
    (mounted / "..data").symlink_to("..2026_01_01_00_00_00.0000000001")
    os.lchown(mounted / "..data", 1234, 1234)
    refused(check(image, "/etc/countersign/countersign.toml", read_only=[mounted]), words)


def test_a_directory_that_is_merely_mounted_read_only_is_not_taken_for_a_volume(image, authority):
    mounted = image / "etc/countersign"
    mounted.mkdir(parents=True, exist_ok=True)
    put(mounted / "ca.pem", authority, 0o644)
    put(mounted / "countersign.toml", TEXT.format(authority="/etc/countersign/ca.pem").encode(), 0o644)
    mounted.chmod(0o777)
    done = check(image, "/etc/countersign/countersign.toml", read_only=[mounted])
    refused(done, "everybody may replace files in /etc/countersign (mode 0777)")


def test_a_secret_volume_and_a_projected_one_pass(image, authority):
    """tmpfs: the mode is 1777, or 3777 with an fsGroup; the file root's, 0440 for the group."""
    mounted = image / "etc/countersign"
    text = TEXT.format(authority="/etc/countersign/ca.pem").encode()
    config_map(mounted, {"countersign.toml": text, "ca.pem": authority}, UID)
    for mode, files in [(0o1777, 0o644), (0o3777, 0o440)]:
        mounted.chmod(mode)
        for name in ["countersign.toml", "ca.pem"]:
            (mounted / name).resolve().chmod(files)
        accepted(check(image, "/etc/countersign/countersign.toml"))
    (mounted / "ca.pem").resolve().chmod(0o666)
    refused(check(image, "/etc/countersign/countersign.toml"), "set defaultMode: 0444 on the volume")


def test_systemd_credentials_pass_with_their_access_lists(image, authority, let_read):
    credentials = image / "run/credentials/countersign.service"
    credentials.mkdir(parents=True, mode=0o700)
    place = pathlib.PurePath("/run/credentials/countersign.service")
    put(credentials / "ca.pem", authority, 0o400)
    put(credentials / "countersign.toml", TEXT.format(authority=place / "ca.pem").encode(), 0o400)
    for path, permissions in [(credentials / "ca.pem", 4), (credentials / "countersign.toml", 4), (credentials, 5)]:
        let_read(path, UID, permissions)
    assert (credentials / "ca.pem").stat().st_mode & 0o777 == 0o440
    accepted(check(image, place / "countersign.toml"))
    # a list that lets somebody write shows as the group's permission
    put(image / "etc/passwd", b"root:x:0:0::/root:/bin/sh\n", 0o644)
    put(image / "etc/group", b"root:x:0:\n", 0o644)
    let_read(credentials / "ca.pem", UID, 6)
    refused(check(image, place / "countersign.toml"), "ca.pem can be written by others")


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_the_files_of_the_injector_pass_where_it_puts_them_and_nowhere_else(image, authority, keys, mode):
    injected = image / "vault/secrets"
    injected.mkdir(parents=True)
    injected.chmod(0o1777)
    put(injected / "ca.pem", authority, mode, AGENT, AGENT_GROUP)
    text = TEXT.format(authority="/vault/secrets/ca.pem").encode()
    put(injected / "countersign.toml", text, mode, AGENT, AGENT_GROUP)
    accepted(check(image, "/vault/secrets/countersign.toml", group=AGENT_GROUP))
    # another user of the pod could have put this there
    os.chown(injected / "ca.pem", 1234, AGENT_GROUP)
    refused(check(image, "/vault/secrets/countersign.toml", group=AGENT_GROUP), "ca.pem belongs to uid 1234")
    os.chown(injected / "ca.pem", AGENT, AGENT_GROUP)
    elsewhere = image / "srv"
    elsewhere.mkdir()
    put(elsewhere / "countersign.toml", text, mode, AGENT, AGENT_GROUP)
    refused(check(image, "/srv/countersign.toml", group=AGENT_GROUP), "countersign.toml belongs to uid 100")


def test_a_key_as_the_injector_writes_it_is_refused_with_the_annotations_that_mend_it(image, access_key):
    injected = image / "vault/secrets"
    injected.mkdir(parents=True)
    injected.chmod(0o1777)
    text = TEXT.split("ca_file")[0] + '[key.main]\nkind = "file"\nfile = "/vault/secrets/key.json"\n'
    put(image / "etc/countersign.toml", text.encode(), 0o644)
    document = json.dumps(access_key).encode()
    annotations = (f'set the pod\'s annotations vault.hashicorp.com/agent-run-as-user: "{UID}" and '
                   'vault.hashicorp.com/agent-inject-perms-key.json: "0400"')
    # the agent's umask leaves 0644, or 0640; 0440 is for a group that countersign is not in here
    for mode, fault in [(0o644, "is open to others (mode 0644)"), (0o640, "may not be read by this user"),
                        (0o440, "may not be read by this user")]:
        put(injected / "key.json", document, mode, AGENT, AGENT_GROUP)
        done = check(image, "/etc/countersign.toml")
        refused(done, fault)
        assert annotations in done.stderr, done.stderr
    # as with these annotations
    put(injected / "key.json", document, 0o400, UID, AGENT_GROUP)
    accepted(check(image, "/etc/countersign.toml"))


def test_a_key_of_the_injector_passes_when_its_group_alone_may_read_it(image, authority, keys):
    injected = image / "vault/secrets"
    injected.mkdir(parents=True)
    injected.chmod(0o1777)
    put(image / "etc/ca.pem", authority, 0o644)
    for name, content in keys.items():
        put(injected / name, content, 0o440, AGENT, AGENT_GROUP)
    text = TEXT.format(authority="/etc/ca.pem").replace("/run/secrets/countersign", "/vault/secrets")
    put(image / "etc/countersign.toml", text.encode(), 0o644)
    accepted(check(image, "/etc/countersign.toml", group=AGENT_GROUP))
    (injected / "main.age").chmod(0o644)
    refused(check(image, "/etc/countersign.toml", group=AGENT_GROUP), "main.age is open to others (mode 0644)")


def test_a_group_of_ones_own_may_write_and_a_shared_one_may_not(image, authority):
    """As Debian sets users up: a group for each, and files with the mode 0664."""
    put(image / "etc/passwd", b"root:x:0:0::/root:/bin/sh\nalice:x:65532:65532::/home/alice:/bin/sh\n", 0o644)
    home = image / "home/alice"
    home.mkdir(parents=True)
    put(home / "ca.pem", authority, 0o664, UID, UID)
    put(home / "countersign.toml", TEXT.format(authority="/home/alice/ca.pem").encode(), 0o664, UID, UID)
    os.chown(home, UID, UID)
    home.chmod(0o775)
    put(image / "etc/group", b"root:x:0:\nalice:x:65532:\n", 0o644)
    accepted(check(image, "/home/alice/countersign.toml"))
    put(image / "etc/group", b"root:x:0:\nalice:x:65532:bob\n", 0o644)
    done = check(image, "/home/alice/countersign.toml")
    refused(done, "the group 65532 may replace files in /home/alice (mode 0775): chmod go-w /home/alice")
