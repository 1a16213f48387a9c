#!/usr/bin/python3
"""The n-th allocation, write, sync, file or process of a real broker, or of a real agent,
fails, for n over the whole of a small life: start, three jobs, end. Whatever the program
makes of it, it makes by itself: it goes on, or it ends; it never hangs, and never dies of
a bad address. Then it is started again without faults, and every job that was accepted
is there and ends well.

GG_ROUNDS times a class (4): the n are spread over the calls that such a life makes.
An abort is libzmq's or SQLite's way to say that memory is over; it may cost no job.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../real"))

from fleet import *

LIBRARY = os.environ["GG_FAILING"]
QUEUE = "nth"
# About how many calls of each class such a life makes.
CLASSES = {
    "gangerd": {"memory": 6000, "files": 90, "writes": 250, "syncs": 30},
    "ganger-worker": {"memory": 1500, "files": 30, "writes": 60, "processes": 4},
}
MAY_END_BY = (signal.SIGABRT, signal.SIGTERM)
JOBS = 3
STEP_S = 20


def failing(kind, at, told):
    return {**os.environ, "LD_PRELOAD": LIBRARY, "GG_FAIL": kind, "GG_FAIL_AT": str(at),
            "GG_FAIL_TOLD": told}


def line_or_end(one, part):
    """The first line that holds `part`; None where the program ends without it."""
    end = time.monotonic() + STEP_S
    while time.monotonic() < end:
        over = not one.reader.is_alive()
        with one.changed:
            one.changed.wait_for(lambda: any(part in line for line in one.lines), 0.05)
            found = [line for line in one.lines if part in line]
        if found or over:
            return found[0] if found else None
    raise AssertionError(f"it hangs: {one.lines}")


class Life:
    """One broker and one agent in a folder; either may have a fault in it."""

    def __init__(self, folder):
        self.folder = folder
        self.told = os.path.join(folder, "told")
        self.programs = []
        self.accepted = {}

    def start(self, *command, env=None):
        one = Program(*command, env=env)
        self.programs.append(one)
        return one

    def broker(self, env=None):
        broker = self.start(program("gangerd"), "--data", os.path.join(self.folder, "d"),
                            "--listen", "tcp://127.0.0.1:0", env=env)
        ready = line_or_end(broker, "event=ready")
        if ready is None:
            return broker, None, None
        return (broker, re.search(r"client=(\S+)", ready)[1],
                re.search(r"agent=(\S+)", ready)[1])

    def agent(self, endpoint, env=None):
        return self.start(program("ganger-worker"), "--broker", endpoint, "--name",
                          f"nth-{os.getpid()}", "--queue", QUEUE, "--grace", "500ms", "--",
                          "cat", env=env)

    def submit(self, client):
        """Ask for jobs; whoever is told so is owed them."""
        for n in range(JOBS):
            done = self.ask("submit", QUEUE, f"job {n}", "--key", f"k{n}", "-o", "id",
                            "--broker", client, "--timeout", "1s")
            if done.returncode == 0:
                self.accepted[f"k{n}"] = done.stdout.strip()
            elif done.returncode == 5:
                return

    def ask(self, *words):
        return subprocess.run([program("ganger"), *words], capture_output=True,
                              text=True, timeout=STEP_S * 3, check=False)

    def collect(self, client, wait):
        """Results of what was accepted; None where there is none."""
        results = {}
        for key, job in self.accepted.items():
            more = ("--broker", client, "--timeout", wait)
            self.ask("wait", job, f"--wait={wait}", *more)
            done = self.ask("result", job, *more)
            results[key] = done.stdout if done.returncode == 0 else None
            if done.returncode == 5:
                break  # There is no broker any more.
        return results

    def end(self):
        """Told to end, each does, one way or another."""
        for one in reversed(self.programs):
            if one.process.poll() is None:
                one.process.send_signal(signal.SIGTERM)
            code = one.wait(STEP_S)
            expect(code >= 0 or -code in MAY_END_BY, "it died of signal", -code,
                   one.lines[-8:])
        self.programs = []

    def kill(self):
        for one in self.programs:
            one.kill()


def faulty_life(life, name, kind, at):
    env = failing(kind, at, life.told)
    _, client, agent = life.broker(env if name == "gangerd" else None)
    if client is not None:
        life.agent(agent, env if name == "ganger-worker" else None)
        life.submit(client)
        life.collect(client, "500ms")
    life.end()


def good_life(life):
    _, client, agent = life.broker()
    expect(client is not None, "it does not start again:", life.programs[-1].lines)
    life.agent(agent)
    for key, result in life.collect(client, "30s").items():
        expect(result == f"job {key[1:]}", key, "was accepted, and its result is", result)
    life.end()


def one(name, kind, at):
    """True: the fault struck."""
    folder = tempfile.mkdtemp(prefix="ganger-nth-")
    life = Life(folder)
    try:
        faulty_life(life, name, kind, at)
        good_life(life)
        return os.path.exists(life.told)
    except AssertionError as fault:
        raise AssertionError(f"{name}: {kind} {at}: {fault}") from fault
    finally:
        life.kill()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    if SANITIZED:
        print("skipped: sanitizers bring an allocator of their own")
        sys.exit(77)
    count = rounds(4)
    for name, kinds in CLASSES.items():
        for kind, spread in kinds.items():
            places = sorted({1 + (i * spread) // count for i in range(count)})
            began = time.monotonic()
            struck = sum(one(name, kind, at) for at in places)
            expect(struck > 0, name, kind, "never failed")
            print(f"{name}: {kind} failed in {struck} of {len(places)} lives,"
                  f" {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
