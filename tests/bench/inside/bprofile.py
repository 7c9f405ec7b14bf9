import subprocess, tempfile, json
CODE = """
import sys, cProfile, pstats, time, io
sys.argv = sys.argv[1:]
from scoperun.ctl.command import main
import os
prof = os.environ.get("PROF")
t=time.process_time(); w=time.monotonic()
if prof:
    p = cProfile.Profile(); p.enable()
try:
    main()
finally:
    used=time.process_time()-t; wall=time.monotonic()-w
    if prof:
        p.disable()
        s=io.StringIO(); pstats.Stats(p, stream=s).sort_stats("tottime").print_stats(45); print(s.getvalue(), file=sys.stderr)
        s=io.StringIO(); pstats.Stats(p, stream=s).sort_stats("cumtime").print_stats(70); print(s.getvalue(), file=sys.stderr)
    print("CPU", used, "WALL", wall, file=sys.stderr)
"""
def measure(number):
    out=[]
    for prof in ("", "1"):
        with tempfile.TemporaryDirectory() as folder:
            import os
            done=subprocess.run(["python3","-c",CODE,"scopectl","batch","--mem","16M","--mem-total","100G","--no-require-limits","--progress","none","-j32","--state",folder+"/s","--","/bin/true",":::",*map(str,range(number))],capture_output=True,text=True,env={**os.environ,"PROF":prof})
            out.append(done.stderr[-14000:])
    return out
