"""Volumes of a pod, laid out as the kubelet does it, below the root of a container."""

import os
import shutil

GROUP = 65532


def give_token(directory, name, pod):
    """A token's file, after `lay_out`. Where all containers run as one user the kubelet gives it to that user, with
    0600; then fsGroup makes that 0640, as it makes root's. (KEP 2451; pkg/volume/projected and SetVolumeOwnership.)"""
    path = directory / "..data" / name
    users = {one["securityContext"].get("runAsUser", pod["securityContext"].get("runAsUser"))
             for one in [*pod.get("initContainers", []), *pod["containers"]] if "securityContext" in one}
    (user,) = users if len(users) == 1 else [None]
    os.chown(path, user or 0, GROUP)
    path.chmod(0o640)


def lay_out(directory, files, mode):
    """A volume's files behind `..data`, root's, read by the fsGroup. Names may have a folder (conf.d/a.toml)."""
    version = directory / "..2026_01_01_00_00_00.0000000001"
    for name, content in files.items():
        path = version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.chown(path, 0, GROUP)
        path.chmod(mode | 0o440)
    for folder in [version, *(path for path in version.rglob("*") if path.is_dir())]:
        os.chown(folder, 0, GROUP)
        folder.chmod(0o2755)
    os.chown(directory, 0, GROUP)
    directory.chmod(0o3777)
    (directory / "..data").symlink_to(version.name)
    for name in sorted({name.partition("/")[0] for name in files}):
        (directory / name).symlink_to(f"..data/{name}")


class Cluster:
    """What a namespace has: the entries of its ConfigMaps and Secrets, and what others put into volumes."""

    def __init__(self, config_maps, secrets, provided):
        self.config_maps, self.secrets, self.provided = config_maps, secrets, provided

    def files(self, source):
        """The files that a volume, or a source of a projected one, has."""
        if "secret" in source:
            content = self.secrets[source["secret"]["secretName"]]
            return renamed(content, source["secret"].get("items"))
        if "configMap" in source:
            about = source["configMap"]
            if about["name"] not in self.config_maps and about.get("optional"):
                return {}
            return renamed(self.config_maps[about["name"]], about.get("items"))
        if "serviceAccountToken" in source:
            return {source["serviceAccountToken"]["path"]: b"a.token.of-the-test"}
        if "csi" in source:
            return self.provided[source["csi"]["volumeAttributes"]["secretProviderClass"]]
        files = {}
        for one in source["projected"]["sources"]:
            files |= self.files(one)
        return files


def renamed(content, items):
    return {item["path"]: content[item["key"]] for item in items} if items else content


def mode_of(volume):
    for kind in ("secret", "projected", "configMap"):
        if kind in volume:
            return volume[kind].get("defaultMode", 0o644)
    return 0o400


def unmount(root):
    """An image's root as it was before `mount`."""
    for name in ("etc/countersign", "etc/countersign-authority", "run/secrets", "mnt"):
        shutil.rmtree(root / name, ignore_errors=True)


def mount(root, pod, container, cluster):
    """Gives the container's root the mounts of the pod."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for one in container["volumeMounts"]:
        volume = volumes[one["name"]]
        directory = root / one["mountPath"].lstrip("/")
        directory.mkdir(parents=True, exist_ok=True)
        lay_out(directory, cluster.files(volume), mode_of(volume))
        for source in volume.get("projected", {}).get("sources", []):
            if "serviceAccountToken" in source:
                give_token(directory, source["serviceAccountToken"]["path"], pod)
