"""Makes stand-ins for the GPU libraries that PyTorch names and a CPU container never calls.

    python3 stand_ins.py FOLDER       (the folder torch/lib; needs the programs readelf, as and ld)

PyTorch's package on the index is built for NVIDIA GPUs: its libraries cannot be loaded unless every library they name
is there with every function they name, although without a GPU none of them is called. Each stand-in has exactly the
names asked for, and those that run on import, to register themselves, find what they expect: a C function returns "no
device" in CUDA's numbering; a C++ function returns the address of zeroes, which is an empty object where a reference is
meant and false where a truth value is; a constructor makes an object whose methods do nothing. The one library that
PyTorch asks whether there is a GPU stays NVIDIA's own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

REAL = "libcudart.so"
GPU = "libtorch_cuda.so"
"""Takes the names that carry no library's version: PyTorch's own C++ functions for GPUs."""

NO_DEVICE = 100
CLASS = "_ZTI"
"""Prefix of what describes a C++ class (the Itanium ABI), which starts as that of a class without bases does."""
PLAIN_CLASS = "_ZTVN10__cxxabiv117__class_type_infoE"


PROLOGUE = f"""
.section .rodata
class_name: .string "7StandIn"
.data
.balign 16
class: .quad {PLAIN_CLASS}+16, class_name
methods: .quad 0, class
.rept 64
.quad method
.endr
.balign 4096
nothing: .zero 4096
.text
method: ret
"""
"""Zeroes to refer to, and a class whose objects have methods that do nothing."""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(library: Path) -> tuple[list[tuple[str, str, str]], set[str]]:
    """(name, version, kind) of what the library needs from others, and the names it has itself."""
    needed, own = [], set()
    for line in run("readelf", "--dyn-syms", "--wide", str(library)).splitlines():
        parts = line.split()
        if len(parts) < 8 or not parts[0].rstrip(":").isdecimal():
            continue
        kind, binding, section = parts[3], parts[4], parts[6]
        name, _, version = parts[7].partition("@")
        if section != "UND":
            own.add(name)
        elif binding != "WEAK":
            needed.append((name, version.strip("@"), kind))
    return needed, own


def libraries(library: Path) -> list[str]:
    """The libraries it names."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "--dynamic", "--wide", str(library)))


def body(name: str, library: str) -> str:
    """What the stand-in of a function does."""
    if library != GPU:
        return f"mov ${NO_DEVICE}, %eax"
    if re.search(r"C[12]E", name):
        return "lea methods+16(%rip), %rax\nmov %rax, (%rdi)\nmovq $0, 8(%rdi)"
    return "lea nothing(%rip), %rax"


def make(folder: Path, library: str, wanted: dict[str, set[tuple[str, str]]]) -> None:
    """Write the stand-in `library` with the names `wanted`: version to (name, kind)."""
    code = [PROLOGUE if library == GPU else ""]
    for name, kind in sorted(pair for pairs in wanted.values() for pair in pairs):
        symbol = f'.globl "{name}"\n.type "{name}",'
        # A name without a kind is a function, unless the compiler named it as a class's table.
        if kind == "FUNC" or (kind == "NOTYPE" and not name.startswith("_ZT")):
            code.append(f'.text\n{symbol}@function\n"{name}": {body(name, library)}\nret\n')
            continue
        content = ".zero 4096"
        if name.startswith(CLASS):
            # Python's bindings look classes up by the name in here; the rest is for objects, and there are none.
            code.append(f'.section .rodata\n"name of {name}": .string "{name.removeprefix(CLASS)}"\n')
            content = f'.quad {PLAIN_CLASS}+16, "name of {name}"\n.zero 64'
        code.append(f'.data\n.balign 16\n{symbol}@object\n"{name}": {content}\n.size "{name}", .-"{name}"\n')
    code.append('.section .note.GNU-stack,"",@progbits\n')
    with tempfile.TemporaryDirectory() as scratch:
        source, binary, versions = (Path(scratch) / name for name in ("all.s", "all.o", "versions"))
        source.write_text("\n".join(code))
        versions.write_text(
            "".join(
                f"{version} {{ global: {' '.join(f'{name};' for name, _ in sorted(pairs))} }};\n"
                for version, pairs in wanted.items()
                if version
            )
        )
        run("as", "-o", str(binary), str(source))
        script = ["--version-script", str(versions)] if versions.read_text() else []
        run("ld", "-shared", "-soname", library, *script, "-o", str(folder / library), str(binary))


def main(folder: Path) -> None:
    """Make every stand-in that the libraries in `folder` need."""
    kept = sorted(path for path in folder.iterdir() if ".so" in path.name)
    named = {name for path in kept for name in libraries(path)}
    system = [Path(line.split(" => ")[1]) for line in run("ldconfig", "-p").splitlines() if " => " in line]
    there = {path.name for path in kept} | {path.name for path in system}
    missing = sorted(name for name in named - there if not name.startswith(REAL))
    own = symbols(Path(sys.executable))[1].union(*(symbols(path)[1] for path in kept))
    own |= set().union(*(symbols(path)[1] for path in system if path.name in named))
    wanted: dict[str, dict[str, set[tuple[str, str]]]] = {library: defaultdict(set) for library in missing}
    for path in kept:
        for name, version, kind in symbols(path)[0]:
            if name in own:
                continue
            if version in wanted:
                wanted[version][version].add((name, kind))
            elif not version and GPU in libraries(path):
                wanted[GPU][""].add((name, kind))
    for library, names in wanted.items():
        make(folder, library, names)
        print(f"{library}: {sum(len(pairs) for pairs in names.values())} names")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
