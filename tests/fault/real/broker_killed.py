#!/usr/bin/python3
"""kill -9 of a durable broker at random instants under load, one in four within 100 ms of
its start: nothing accepted is lost, no result, nothing that has ended runs again, and
clients and agents go on by themselves.

    broker_killed.py    GG_ROUNDS=500 for the full figure
"""
from durable import *


def kill_early(scene):
    """Before it serves, or in its first moments."""
    process = scene.home.start(wait=False)
    scene.pause(scene.random.random() * 0.1)
    process.kill()
    process.wait(LIMIT_S)


def main():
    kills = rounds(50)
    early = 0
    with Scene() as scene:
        for number in range(kills):
            if number % 4 == 3:
                kill_early(scene)
                early += 1
                continue
            if scene.home.broker.process.poll() is not None:
                scene.home.start()
            scene.pause(0.05 + scene.random.random() * 0.6)
            scene.home.kill()
        scene.home.start()
        scene.settle()
        jobs = scene.check()
        ended = sum(job.state is not None for job in jobs)
        expect(ended > kills, "only", ended, "jobs ended: no load to speak of")
    print(f"{kills} kills, {early} of them within 100 ms of the start: {len(jobs)} jobs"
          f" accepted, {ended} told to have ended, none lost, none run again")


if __name__ == "__main__":
    main()
