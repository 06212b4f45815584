"""What is measured: CPU time from schedstat, memory from smaps, and the programs that make the load."""
import contextlib
import glob
import re
import subprocess

from stack import DATABASE, PASSWORD, USER, Failure

LOGIN_THREADS = 8
SECONDS_TO_FINISH = 120


def cpu_seconds(pid):
    """CPU time of all threads so far. The kernel counts it in nanoseconds here, in clock ticks elsewhere."""
    total = 0
    for name in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with contextlib.suppress(OSError), open(name, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def memory_bytes(pid):
    """(PSS of everything, resident bytes of the heap and of other anonymous memory)."""
    pss = heap = 0
    is_heap = False
    with open(f"/proc/{pid}/smaps", encoding="utf8", errors="replace") as file:
        for line in file:
            head = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ (\d+)\s*(.*)$", line)
            if head:
                is_heap = head.group(2) == "[heap]" or (head.group(1) == "0" and head.group(2) == "")
            elif line.startswith("Pss:"):
                pss += int(line.split()[1]) * 1024
            elif line.startswith("Rss:") and is_heap:
                heap += int(line.split()[1]) * 1024
    return pss, heap


def _pgbench_command(mode, clients, *how):
    return ["pgbench", "-S", "-n", "-M", mode, "-c", str(clients), "-j", "1", *map(str, how), DATABASE]


@contextlib.contextmanager
def pgbench_all_the_time(stack, port, mode, clients):
    """Select-only transactions through a port as long as the context lasts."""
    process = subprocess.Popen(_pgbench_command(mode, clients, "-T", 86400), env=stack.client_environment(port),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def pgbench(stack, port, mode, clients, transactions):
    """About that many select-only transactions through a port; (transactions done, transactions a second, milliseconds each)."""
    command = _pgbench_command(mode, clients, "-t", max(1, transactions // clients))
    try:
        outcome = subprocess.run(command, env=stack.client_environment(port), capture_output=True, text=True, check=False,
                                 timeout=SECONDS_TO_FINISH)
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(command)} on port {port}: not done after {SECONDS_TO_FINISH} s") from None
    done = re.search(r"actually processed: (\d+)", outcome.stdout)
    rate = re.search(r"^tps = ([\d.]+)", outcome.stdout, re.MULTILINE)
    latency = re.search(r"^latency average = ([\d.]+)", outcome.stdout, re.MULTILINE)
    if outcome.returncode != 0 or not (done and rate and latency):
        raise Failure(f"{' '.join(command)} on port {port}:\n{outcome.stdout}{outcome.stderr[-2000:]}")
    return int(done.group(1)), float(rate.group(1)), float(latency.group(1))


def _logins_command(stack, port, *how):
    return [f"{stack.work}/logins", str(port), USER, PASSWORD, DATABASE, *map(str, how)]


def logins(stack, port, seconds):
    """Logs in and out for some seconds; the number of logins."""
    command = _logins_command(stack, port, "loop", LOGIN_THREADS, seconds)
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + SECONDS_TO_FINISH)
    done = re.match(r"(\d+) logins", outcome.stdout)
    if outcome.returncode != 0 or not done:
        raise Failure(f"{' '.join(command)}:\n{outcome.stdout}{outcome.stderr}")
    return int(done.group(1))


@contextlib.contextmanager
def idle_clients(stack, port, count, is_after_query):
    """Holds that many logged-in clients that do nothing."""
    command = _logins_command(stack, port, "held-query" if is_after_query else "hold", LOGIN_THREADS, count)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline() != "ready\n":
            raise Failure(f"{' '.join(command)}:\n{process.stderr.read()}")
        yield
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def profile(pid, path):
    """Records a flat profile of a process with perf and writes it to path as text."""
    data = path + ".data"
    recorder = subprocess.Popen(["perf", "record", "-q", "-F", "1999", "-p", str(pid), "-o", data], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        recorder.terminate()
        complaint = recorder.communicate()[1]
    with open(path, "w", encoding="utf8") as out:
        outcome = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "--sort", "dso,symbol"], stdout=out,
                                 stderr=subprocess.PIPE, text=True, check=False)
    if outcome.returncode != 0:
        raise Failure(f"perf: {complaint}{outcome.stderr}")
