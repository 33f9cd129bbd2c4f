"""Types are learnt once, whatever the threads do (a race in msgspec ended the process)."""

from __future__ import annotations

import subprocess
import sys

_THREADS = """
import sys, threading, types
from envlock.model import records

sys.setswitchinterval(1e-6)
fields = "".join(f"    f{i}: 'Annotated[int, msgspec.Meta(ge=0)] | None' = None\\n" for i in range(20))
source = "import msgspec\\nfrom typing import Annotated\\n"
for i in range(200):
    source += f"class Inner{i}(msgspec.Struct):\\n{fields}"
    source += f"class Outer{i}(msgspec.Struct):\\n    inner: 'Inner{i}'\\n    more: 'list[Inner{i}]'\\n{fields}"
module = sys.modules["made"] = types.ModuleType("made")
exec(source, module.__dict__)
row = {f"f{i}": i for i in range(20)}
document = {"inner": row, "more": [row], **row}
for i in range(200):
    outer, inner = getattr(module, f"Outer{i}"), getattr(module, f"Inner{i}")
    calls = [(document, outer), (row, inner)] * 2
    threads = [threading.Thread(target=records.convert, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("alive")
"""


def test_threads_learn_types() -> None:
    """Many threads read a type for the first time; with msgspec's own functions this ends with signal 11."""
    done = subprocess.run([sys.executable, "-c", _THREADS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
