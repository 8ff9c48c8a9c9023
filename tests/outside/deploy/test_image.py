"""The container image: what the Containerfiles say, and the collected root file system run without an engine."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from serving import container, serving

TOP = pathlib.Path(__file__).resolve().parents[3]


def instructions_of(path):
    """The instructions of a Containerfile, one list for each stage: (instruction, arguments)."""
    text = path.read_text().replace("\\\n", " ")
    instructions = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    stages = []
    for word, arguments in instructions:
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, arguments.strip()))
    return stages


@pytest.fixture(scope="module")
def stages(deploy):
    """The file that compiles the program too."""
    return instructions_of(deploy / "Containerfile.source")


@pytest.fixture
def image(deploy, countersign, place, run):
    """The image's root file system, collected from the program under test by the script the image is made with."""
    run([deploy / "collect-root", countersign, place / "image"])
    return place / "image"


@pytest.mark.parametrize("name", ["Containerfile", "Containerfile.source"])
def test_hadolint_finds_nothing(deploy, run, name):
    run([pathlib.Path(sys.executable).parent / "hadolint", "--failure-threshold", "style", deploy / name])


def test_the_image_of_a_built_program_and_the_one_that_compiles_it_end_alike(deploy, stages):
    """They differ in where the files come from, and in nothing else."""
    (built,) = instructions_of(deploy / "Containerfile")
    copied = [arguments for word, arguments in built if word == "COPY"]
    assert copied == ["root-${TARGETARCH}/ /"]
    assert ("ARG", "TARGETARCH") in built
    rest = [(word, arguments) for word, arguments in built if word not in ("COPY", "ARG")]
    assert rest == [(word, arguments) for word, arguments in stages[-1] if word != "COPY"]


def test_the_image_is_made_from_scratch_and_from_the_collected_root_alone(stages):
    _, final = stages
    assert final[0] == ("FROM", "scratch")
    assert [arguments for word, arguments in final if word in ("COPY", "ADD")] == ["--from=build /image/ /"]
    assert not [word for word, _ in final if word == "RUN"]


def test_the_image_builds_with_the_toolchain_the_crate_asks_for(stages):
    build, _ = stages
    cargo = (TOP / "Cargo.toml").read_text()
    version = next(line.split('"')[1] for line in cargo.splitlines() if line.startswith("rust-version"))
    assert build[0][1].split()[0] == f"rust:{version}-bookworm"


def test_the_image_has_the_profile_guided_program(stages):
    build, _ = stages
    (commands,) = [arguments for word, arguments in build if word == "RUN"]
    commands = [command.split() for command in commands.split("&&")]
    # packaging/build-release needs the llvm-profdata of rustc's LLVM
    assert commands[0] == ["rustup", "component", "add", "llvm-tools"]
    assert commands[1] == ["packaging/build-release"]
    assert commands[2] == ["packaging/licences", '"$(uname', '-m)"', "plain", "/licences"]
    collected = ["deploy/collect-root", "target/profile-guided/countersign", "/image", "--licences", "/licences"]
    assert commands[3:] == [collected]


def test_the_image_names_no_processor(stages):
    text = json.dumps(stages)
    assert not [name for name in ("x86_64", "amd64", "aarch64", "arm64") if name in text]


def test_the_container_runs_as_a_numbered_user_and_gets_its_signals(stages):
    final = dict(stages[-1])
    assert final["USER"] == "65532:65532"
    assert final["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(final["ENTRYPOINT"]) == ["/usr/bin/countersign"]
    assert json.loads(final["CMD"]) == ["run"]


def test_the_root_holds_the_program_its_libraries_and_little_else(image):
    files = {str(path.relative_to(image)) for path in image.rglob("*") if path.is_file()}
    names = {"etc/passwd", "etc/group", "etc/nsswitch.conf"}
    needed = {"usr/bin/countersign", "etc/ssl/certs/ca-certificates.crt"} | names
    assert needed <= files
    records = ("usr/share/doc/", "var/lib/dpkg/status.d/")
    other = {name for name in files - needed if not name.startswith(("lib", "usr/lib", *records))}
    assert not other
    assert len(files) < 25, files
    assert "nonroot:x:65532:65532:" in (image / "etc/passwd").read_text()
    assert (image / "usr/share/doc/countersign/LICENSE").read_text() == (TOP / "LICENSE").read_text()


def certificates_in(*files):
    """What is between the lines BEGIN and END of each certificate."""
    text = "\n".join(file.read_text() for file in files)
    return {part.partition("-----END")[0] for part in text.split("-----BEGIN CERTIFICATE-----")[1:]}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts another bundle, which root may do")
def test_an_authority_that_the_build_machine_alone_trusts_is_not_in_the_image(deploy, countersign, place, run):
    """Such as the one of a company's proxy: whoever has its key could be every endpoint, wherever the image runs."""
    bundle = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    own = "-----BEGIN CERTIFICATE-----\nthe proxy of a company\n-----END CERTIFICATE-----\n"
    (place / "bundle").write_text(bundle.read_text() + own)
    run(["unshare", "--mount", "sh", "-euc", 'mount --bind "$1" "$2"; exec "$3" "$4" "$5"', "sh",
         place / "bundle", bundle, deploy / "collect-root", countersign, place / "image"])
    collected = certificates_in(place / "image" / bundle.relative_to("/"))
    assert collected == certificates_in(*pathlib.Path("/usr/share/ca-certificates/mozilla").glob("*.crt"))
    assert len(collected) > 100


def test_nothing_in_the_root_can_be_changed_by_the_user_it_runs_as(image):
    writable = [path for path in [image, *image.rglob("*")] if not path.is_symlink() and path.stat().st_mode & 0o022]
    assert writable == [image / "tmp"]
    assert not [path for path in image.rglob("*") if path.is_file() and path.stat().st_mode & 0o6000]


def test_the_program_is_stripped(image, run):
    assert ".symtab" not in run(["readelf", "--section-headers", "--wide", image / "usr/bin/countersign"])


def test_the_program_starts_in_the_root(image, run):
    version = run(container(image, "--version"))
    assert version.startswith("countersign ")


def test_a_missing_library_ends_the_collecting(deploy, place):
    """The build has to fail, not the first start."""
    program = place / "program"
    subprocess.run(["cc", "-shared", "-o", place / "libgone.so", "-x", "c", os.devnull], check=True)
    subprocess.run(["cc", "-o", program, "-x", "c", "-", "-L", place, "-Wl,--no-as-needed", "-lgone"],
                   input=b"int main(void) { return 0; }", check=True)
    (place / "libgone.so").unlink()
    done = subprocess.run([deploy / "collect-root", program, place / "image"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "libgone.so => not found" in done.stderr


@pytest.fixture
def system(place):
    """A system in a directory: this one's loader and C library, and what a test puts into usr/lib."""
    triple = f"{os.uname().machine}-linux-gnu"
    (place / "system/usr/lib").mkdir(parents=True)
    (place / "system/lib" / triple).mkdir(parents=True)
    shutil.copy(f"/lib/{triple}/libc.so.6", place / "system/lib" / triple)
    for loader in pathlib.Path(f"/lib/{triple}").glob("ld-linux*"):
        shutil.copy(loader, place / "system/lib" / triple)
    return place / "system"


def link(place, *words, text=b"int main(void) { return 0; }"):
    subprocess.run(["cc", "-o", place, "-x", "c", "-", "-Wl,--no-as-needed,--allow-shlib-undefined", *words],
                   input=text, check=True)


def assert_collected_only_with(deploy, place, system, library, said):
    """The program cannot be collected, for the reason that is `said`, until the library of `place` is in the system."""
    command = [deploy / "collect-root", place / "program", place / "image", "--sysroot", system]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 69
    assert said in done.stderr
    assert not (place / "image").exists()
    shutil.copy(place / library, system / "usr/lib")
    subprocess.run(command, check=True)
    subprocess.run([str(word) for word in container(place / "image")], check=True)


def test_a_library_that_is_older_than_the_program_ends_the_collecting(deploy, place, system):
    """It is there, and the loader refuses it at the first start: it lacks a version of its symbols."""
    old, new = "OURS_1 { old; };", "OURS_1 { old; }; OURS_2 { new; } OURS_1;"
    for directory, script, text in [(place, new, b"void old(void) {} void new(void) {}"),
                                    (system / "usr/lib", old, b"void old(void) {}")]:
        (place / "versions").write_text(script)
        link(directory / "libours.so", "-shared", f"-Wl,--version-script={place / 'versions'}", text=text)
    link(place / "program", "-L", place, "-lours", text=b"void new(void); int main(void) { new(); return 0; }")
    said = "program needs OURS_2 of libours.so => not found: that library is older than the program"
    assert_collected_only_with(deploy, place, system, "libours.so", said)


def test_a_missing_library_of_a_library_ends_the_collecting(deploy, place, system):
    """ldd names what a library needs; so does what replaced it."""
    link(place / "libgone.so", "-shared", text=b"")
    link(system / "usr/lib/libthere.so", "-shared", "-L", place, "-lgone", text=b"")
    link(place / "program", "-L", system / "usr/lib", "-lthere")
    said = "/usr/lib/libthere.so needs libgone.so => not found"
    assert_collected_only_with(deploy, place, system, "libgone.so", said)


@pytest.fixture
def foreign():
    """A program for the other processor: its C library, which prints its version when it is started."""
    own = os.uname().machine
    other, loader = {"x86_64": ("aarch64", "ld-linux-aarch64.so.1"),
                     "aarch64": ("x86_64", "ld-linux-x86-64.so.2")}[own]
    return other, pathlib.Path(f"/usr/{other}-linux-gnu/lib/libc.so.6"), loader


def test_a_program_for_another_processor_gets_the_libraries_of_that_processor(deploy, place, run, foreign):
    """ldd says of such a program that it is not dynamic, and the image was made without a loader."""
    processor, program, loader = foreign
    run([deploy / "collect-root", program, place / "image"])
    found = [path for path in (place / "image").rglob("ld-linux*") if path.is_file()]
    assert [path.name for path in found] == [loader]
    machine = {"aarch64": "AArch64", "x86_64": "X86-64"}[processor]
    assert all(machine in run(["readelf", "--file-header", path]) for path in found)
    shutil.copy(f"/usr/bin/qemu-{processor}-static", place / "image/emulator")
    said = run([*container(place / "image")[:-1], "/emulator", "/usr/bin/countersign"])
    assert said.startswith("GNU C Library")


def test_a_library_for_another_processor_is_not_taken_for_one_of_this(deploy, place, system, foreign):
    """It is looked for by name: only its header says whose it is."""
    processor, _, _ = foreign
    link(place / "libgone.so", "-shared", text=b"")
    link(place / "program", "-L", place, "-lgone")
    shutil.copy(f"/usr/{processor}-linux-gnu/lib/libm.so.6", system / "usr/lib/libgone.so")
    done = subprocess.run([deploy / "collect-root", place / "program", place / "image", "--sysroot", system],
                          capture_output=True, text=True)
    assert (done.returncode, "libgone.so => not found" in done.stderr) == (69, True), done


def test_what_is_not_a_program_makes_no_image(deploy, place):
    (place / "script").write_text("#!/bin/sh\n")
    library = next(path for path in pathlib.Path("/usr/lib").rglob("libgcc_s.so.1"))
    for file in (place / "script", library):
        done = subprocess.run([deploy / "collect-root", file, place / "image"], capture_output=True, text=True)
        assert done.returncode == 65, done
        assert not (place / "image").exists()


def test_the_licences_of_all_crates_are_in_the_root(deploy, countersign, place, run):
    (place / "papers").mkdir()
    for name in ("licences.txt.gz", "copyright"):
        (place / "papers" / name).write_text(name)
    run([deploy / "collect-root", countersign, place / "image", "--licences", place / "papers"])
    assert (place / "image/usr/share/doc/countersign/licences.txt.gz").read_text() == "licences.txt.gz"
    assert (place / "image/usr/share/doc/countersign/copyright").read_text() == "copyright"


def test_a_static_program_needs_no_libraries(deploy, place, run):
    program = place / "program"
    subprocess.run(["cc", "-static", "-o", program, "-x", "c", "-"], input=b"int main(void) { return 0; }", check=True)
    run([deploy / "collect-root", program, place / "image"])
    assert not (place / "image/lib").exists()
    run(container(place / "image"))


def test_the_environment_alone_configures_the_container_and_it_ends_on_sigterm_as_process_1(image, place, keys):
    """`run` without --config; process 1 gets only the signals it asked for."""
    for name, content in keys.items():
        path = image / "etc/countersign" / name
        path.write_bytes(content)
        path.chmod(0o400)
        os.chown(path, 65532, 65532)
    environment = {
        "COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL": "true",
        "COUNTERSIGN__ROUTE__IMPORTEXPORT__ENDPOINT": "https://importexport.amazonaws.com",
        "COUNTERSIGN__KEY__MAIN__FILE": "/etc/countersign/main.age",
        "COUNTERSIGN__KEY__MAIN__IDENTITY_FILE": "/etc/countersign/identity",
        "NOTIFY_SOCKET": "",
    }
    with serving(container(image, "run"), place, environment) as proxy:
        proxy.wait_for_probe("/readyz")
        assert proxy.probe("/livez") == 200
        inner = proxy.inner_pid()
        status = pathlib.Path(f"/proc/{inner}/status").read_text()
        assert next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1] == "1"
        assert proxy.end(inner) == 0, proxy.output()


def test_the_healthcheck_of_the_image_runs_in_the_image(stages, image, place, keys):
    """It is healthy without an admin listener, and with one if the process responds, whatever its keys are."""
    final = dict(stages[-1])
    _, _, words = final["HEALTHCHECK"].partition("CMD ")
    program, *arguments = json.loads(words)
    assert [program] == json.loads(final["ENTRYPOINT"])

    def checked(**environment):
        command = [str(word) for word in container(image, *arguments)]
        return subprocess.run(command, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True,
                              timeout=60, check=False)

    assert checked().returncode == 0
    environment = {
        "COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL": "true",
        "COUNTERSIGN__ROUTE__IMPORTEXPORT__ENDPOINT": "https://importexport.amazonaws.com",
        "COUNTERSIGN__KEY__MAIN__KIND": "file",
        "COUNTERSIGN__KEY__MAIN__FILE": "/etc/countersign/absent.json",
        "NOTIFY_SOCKET": "",
    }
    with serving(container(image, "run"), place, environment) as proxy:
        proxy.wait_for_probe("/readyz", status=503)
        address = f"127.0.0.1:{proxy.admin_port}"
        done = checked(**environment, COUNTERSIGN__ADMIN__ADDRESS=address)
        assert (done.returncode, done.stdout) == (0, f"alive: http://{address}\n"), done
        proxy.end(proxy.inner_pid())
    done = checked(**environment, COUNTERSIGN__ADMIN__ADDRESS=address)
    assert done.returncode == 1 and "nobody listens there" in done.stderr, done
