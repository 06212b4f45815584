"""What the Python clients share: how many connections to use, and a crowd of threads whose first failure is the test's failure."""
import os
import threading

CLIENTS = int(os.environ["CLIENTS"])
NAMED_CLIENTS = int(os.environ["NAMED_CLIENTS"])
ROUNDS = 5


def run(count, work):
    """Calls work(0) ... work(count - 1), each in a thread of its own, all set off at the same moment."""
    failures = []
    gate = threading.Barrier(count)

    def one(number):
        try:
            gate.wait()
            work(number)
        except Exception as failure:  # the other threads' failures would only hide the first
            failures.append(failure)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")
