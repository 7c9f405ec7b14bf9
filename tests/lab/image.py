"""A suite's root file system, as an image that boots copy-on-write, and its kernel."""

import shlex
import shutil
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from . import cache, host, project
from .recipe import PACKAGES, PROGRAMS, Recipe, Suite

FILES = Path(__file__).parent / "files"

LOADER = "ld-linux-x86-64.so.2"

SIZE = "4G"  # sparse: the room that a guest has for writing, more than an image takes

# Unpacking these would take a quarter of the time, and guests do not need them.
WITHOUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def recipe(suite: Suite) -> Recipe:
    """Return the suite's recipe, from the current state of the checkout."""
    files = {str(path.relative_to(FILES)): path.read_bytes() for path in FILES.rglob("*") if path.is_file()}
    files |= {f"{PROGRAMS[1:]}/{path.name}": path.read_bytes() for path in project.c_sources()}
    requirements = project.LOCK.read_text(encoding="utf-8").splitlines()
    return Recipe(suite=suite, packages=PACKAGES, requirements=requirements, files=files)


@dataclass(frozen=True, slots=True)
class Image:
    """What a suite's guests boot, and the suite's Python.

    root: a file system. kernel: Debian's, for those that do not use another. python: what runs it on the host.
    """

    root: Path
    kernel: Path
    python: Path

    @classmethod
    def of(cls, entry: Path) -> "Image":
        """Return the image that an entry of the cache has."""
        return cls(root=entry / "root.ext4", kernel=entry / "vmlinuz", python=entry / "python")


def name(wanted: Recipe) -> str:
    """Return the name of a recipe's image in the cache."""
    return f"{wanted.suite.name}-{wanted.key}"


def exists(suite: Suite) -> bool:
    """Return whether the suite's image exists already."""
    return (cache.folder() / name(recipe(suite))).exists()


def image(suite: Suite) -> Image:
    """Return the suite's image, built if the cache lacks it."""
    wanted = recipe(suite)
    return Image.of(cache.cached(suite.name, name(wanted), lambda target: build(wanted, Image.of(target))))


def build(wanted: Recipe, target: Image) -> None:
    """Build the image."""
    host.prepare()
    folder = target.root.parent
    folder.mkdir()
    root = folder.with_name("root")
    install_packages(wanted, root)
    install_wheels(wanted, root)
    shutil.copytree(FILES, root, dirs_exist_ok=True)
    (root / PROGRAMS[1:]).mkdir()
    for path in project.c_sources():
        shutil.copy(path, root / PROGRAMS[1:])
    (root / "etc/hostname").write_text(f"{wanted.suite.name}\n", encoding="ascii")
    # Without a machine-id each boot counts as the first one and presets every unit again.
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
    [kernel] = (root / "boot").glob("vmlinuz-*")
    shutil.copyfile(kernel, target.kernel)
    host.run(["chroot", root, "/bin/sh", "/customize.sh"])
    keep_python(wanted.suite, root, target.python)
    # No journal: an image is never booted twice. The file is sparse, so that its zeroes need not be written.
    options = ["-O", "^has_journal", "-E", "lazy_itable_init=0,assume_storage_prezeroed=1", "-m", "0"]
    host.run(["mke2fs", "-q", "-t", "ext4", *options, "-d", root, target.root, SIZE])


def install_packages(wanted: Recipe, root: Path) -> None:
    """Put the Debian packages into the folder `root`."""
    include = "--include=" + ",".join(wanted.packages)
    # Filtered by dpkg's configuration: mmdebstrap would filter each archive in Perl, which takes longer than unpacking.
    leave_out = f"cd \"$1/etc\" && mkdir -p dpkg/dpkg.cfg.d && printf 'path-exclude=%s\\n' {shlex.join(WITHOUT)}"
    leave_out += " > dpkg/dpkg.cfg.d/lab"
    options = ["--variant=minbase", "--format=directory", include, host.STALE_IS_FINE, f"--setup-hook={leave_out}"]
    without_initrd = {"INITRD": "No"}  # a guest has its root on a disk whose driver is in the kernel
    host.run(["mmdebstrap", *options, wanted.suite.name, root, *host.mirror()], environment=without_initrd)


def install_wheels(wanted: Recipe, root: Path) -> None:
    """Install the Python packages where Debian's python3 looks for those of the administrator."""
    requirements = root.with_suffix(".txt")
    requirements.write_text("\n".join(wanted.requirements), encoding="utf-8")
    python = wanted.suite.python
    platforms = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
    foreign = ["--only-binary=:all:", "--python-version", python, "--no-compile"]
    foreign += [f"--platform={platform}" for platform in platforms]
    target = root / f"usr/local/lib/python{python}/dist-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    host.run([*pip, *foreign, "--target", target, "--requirement", requirements])


def keep_python(suite: Suite, root: Path, target: Path) -> None:
    """Copy Python's program, its own modules, and the libraries that it is linked to."""
    program = f"usr/bin/python{suite.python}"
    modules = target / f"lib/python{suite.python}"
    shutil.copytree(root / f"usr/lib/python{suite.python}", modules, symlinks=True)
    shutil.copyfile(root / program, target / "python")
    for library in host.run(["chroot", root, "ldd", f"/{program}"]).split():
        if library.startswith("/"):
            shutil.copyfile(root / library[1:], target / "lib" / Path(library).name)
    for each in (target / "python", target / "lib" / LOADER):
        each.chmod(0o755)


def compile_bytecode(python: Path, top: Path, folder: Path) -> None:
    """Compile the modules in `folder`, which will be in a guest where it is below `top`, for that guest's Python."""
    command = [python / "lib" / LOADER, "--library-path", python / "lib", python / "python"]
    command += ["-S", "-m", "compileall", "-q", "-s", top, "-p", "/", folder]
    host.run(command, environment={"PYTHONHOME": str(python), "PYTHONPATH": ""})
