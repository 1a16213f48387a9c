#!/usr/bin/python3
"""The conformance suite: one set of scenarios for the clients and workers of every
language, each through its driver, against a real broker. README.md has the contract.

    run.py --driver "COMMAND..." [--worker-driver "COMMAND..."] [SCENARIO...]
    run.py --pairs "LANGUAGE=COMMAND..." "LANGUAGE=COMMAND..." ...

SCENARIO is a name in scenarios/; all of them without one. GG_BIN_DIR says where gangerd
is, GG_SOURCE_DIR where common/PROTOCOL.md is.
"""
import argparse
import json
import pathlib
import secrets
import shlex
import subprocess
import sys
import time
import traceback

from protocol import tables
from relay import Rule
from world import World, expect

HERE = pathlib.Path(__file__).parent
EMPTY = (None, "", 0, False, [], "0", b"")
CALL_S_MAX = 30


# ---- values ----


def plain(value, saved):
    """What scenarios write for people, as drivers get it: bytes as hex, "$name"."""
    if isinstance(value, dict):
        if set(value) == {"text"}:
            return value["text"].encode().hex()
        if set(value) == {"byte", "count"}:
            return value["byte"] * value["count"]
        return {key: plain(one, saved) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one, saved) for one in value]
    if isinstance(value, str) and value.startswith("$"):
        return saved[value[1:]]
    return value


def same(got, wanted):
    """Does an answer have what is wanted? Absent is the same as the default; numbers
    may be texts; {"any": true} is anything but the default."""
    if isinstance(wanted, dict) and set(wanted) == {"any"}:
        return (got in EMPTY) != wanted["any"]
    if isinstance(wanted, dict) and set(wanted) == {"has"}:
        return wanted["has"] in str(got)
    if isinstance(wanted, dict) and set(wanted) == {"in"}:
        return any(same(got, one) for one in wanted["in"])
    if isinstance(wanted, dict):
        return isinstance(got, dict) and all(
            same(got.get(key), one) for key, one in wanted.items()
        )
    if isinstance(wanted, list):
        return (isinstance(got, list) and len(got) == len(wanted)
                and all(map(same, got, wanted))) or (got in EMPTY and not wanted)
    if isinstance(got, bytes):
        got = got.hex()
    if isinstance(wanted, bool) or isinstance(got, bool):
        return bool(got) == wanted
    if isinstance(wanted, int) and isinstance(got, (int, str)):
        return str(got) == str(wanted)
    return got == wanted or (got in EMPTY and wanted in EMPTY)


def brief(value):
    text = json.dumps(value, default=repr)
    return text if len(text) < 600 else text[:600] + " …"


# ---- steps ----


class Play:
    """One scenario, played."""

    def __init__(self, scenario, world):
        self.scenario, self.world = scenario, world
        self.saved = {}

    def play(self):
        if self.scenario.get("broker", True):
            self.world.start_broker()
        self.world.start_driver()
        for number, step in enumerate(self.scenario["steps"], 1):
            try:
                self.step(dict(step))
            except Exception as error:
                raise AssertionError(f"step {number}, {brief(step)}: {error}") from error
        self.world.driver.process.stdin.close()
        status = self.world.driver.end("poll")
        expect(status == 0, "the driver ended with", status)

    def step(self, step):
        for name in ("do", "broker", "worker", "relay", "wire", "await", "new_id"):
            if name in step:
                getattr(self, "on_" + name)(step)
                return
        raise AssertionError("what is this step?")

    def on_do(self, step):
        wanted = plain(step.pop("expect", {}), self.saved)
        save = step.pop("save", {})
        within_ms = step.pop("within_ms", CALL_S_MAX * 1000)
        step["op"] = step.pop("do")
        if step["op"] == "open" and "endpoint" not in step:
            step["endpoint"] = self.world.relays["client"].endpoint
        began = time.monotonic()
        answer = self.world.ask(plain(step, self.saved))
        took_ms = (time.monotonic() - began) * 1000
        if "error" not in wanted:
            expect("error" not in answer, "answered", brief(answer))
        expect(same(answer, wanted), "wanted", brief(wanted), "got", brief(answer))
        expect(took_ms <= within_ms, f"took {took_ms:.0f} ms of {within_ms}")
        for name, path in save.items():
            self.saved[name] = find(answer, path)

    def on_new_id(self, step):
        at = int(time.time() * 1000).to_bytes(6, "big")
        self.saved[step["new_id"]] = (at + secrets.token_bytes(10)).hex()

    def on_broker(self, step):
        {"kill": self.world.kill_broker, "start": self.world.start_broker,
         "restart": self.world.restart_broker}[step["broker"]]()

    def on_worker(self, step):
        name = step.get("name", "worker")
        if step["worker"] == "start":
            self.world.start_worker(name, step["prefix"])
        elif step["worker"] == "kill":
            self.world.stop_worker(name, "kill")
        else:
            status = self.world.stop_worker(name)
            expect(status == 0, "the worker ended with", status)

    def on_relay(self, step):
        relay = self.world.relays[step["relay"]]
        if step.get("act") == "cut":
            relay.order("cut")
        else:
            relay.add(Rule(step["when"], step["then"]))

    def on_await(self, step):
        wanted = step["await"]
        relay = self.world.relays[step.get("on", "client")]
        relay.wait_for(wanted["from"], wanted["command"], wanted.get("count", 1))

    def on_wire(self, step):
        wanted = plain(step["wire"], self.saved)
        relay = self.world.relays[step.get("on", "client")]
        with relay.changed:
            records = relay.seen(wanted["from"], wanted["command"])
        if "count" in wanted:
            expect(len(records) == wanted["count"], len(records), "times", records)
        if "least" in wanted:
            expect(len(records) >= wanted["least"], "only", len(records), "times")
        for field in wanted.get("same", []):
            expect(len({one.get(field) for one in records}) == 1, field, "differs")
        if "record" in wanted:
            one = records[wanted.get("nth", 1) - 1]
            expect(same(one, wanted["record"]), "on the wire:", brief(one))


def find(answer, path):
    for part in path.split("."):
        answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer


# ---- all of them ----


def scenarios(names):
    found = sorted((HERE / "scenarios").glob("*.json"))
    known = {path.stem: path for path in found}
    for name in names or known:
        yield name, json.loads(known[name].read_text(encoding="utf-8"))


def play(tables_, name, scenario, driver, worker_driver):
    began = time.monotonic()
    try:
        settings = scenario.get("settings", ())
        with World(tables_, driver, worker_driver, settings) as world:
            Play(scenario, world).play()
    except Exception:
        print(f"FAIL {name}: {scenario['about']}")
        traceback.print_exc(file=sys.stdout)
        return False
    print(f"pass {name} ({time.monotonic() - began:.1f} s): {scenario['about']}")
    return True


def is_there(name, command):
    """A driver that exits with 77 says that its language is not installed here."""
    done = subprocess.run([*command, "client"], stdin=subprocess.DEVNULL, check=False)
    if done.returncode == 77:
        print(f"skip {name}: its driver cannot run here")
    return done.returncode != 77


def pairs(tables_, drivers):
    """A job from each language, handled by a worker of each."""
    good = 0
    drivers = {name: command for name, command in drivers.items() if is_there(name, command)}
    steps = json.loads((HERE / "pair.json").read_text(encoding="utf-8"))
    for client, driver in drivers.items():
        for worker, worker_driver in drivers.items():
            good += play(tables_, f"{client} to {worker}", steps, driver, worker_driver)
    print(f"{good} of {len(drivers) ** 2} pairs")
    return good == len(drivers) ** 2


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--driver", type=shlex.split)
    options.add_argument("--worker-driver", type=shlex.split)
    options.add_argument("--pairs", nargs="+", metavar="LANGUAGE=COMMAND")
    options.add_argument("scenario", nargs="*")
    told = options.parse_args()
    tables_ = tables()
    if told.pairs:
        drivers = dict(one.split("=", 1) for one in told.pairs)
        drivers = {name: shlex.split(command) for name, command in drivers.items()}
        return 0 if pairs(tables_, drivers) else 1
    if not told.driver:
        options.error("--driver or --pairs is needed")
    results = [
        play(tables_, name, scenario, told.driver, told.worker_driver or told.driver)
        for name, scenario in scenarios(told.scenario)
    ]
    print(f"{sum(results)} of {len(results)} scenarios pass")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
