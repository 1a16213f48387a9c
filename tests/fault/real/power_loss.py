#!/usr/bin/python3
"""The power fails under a durable broker at work: the file system stops dead without
writing its log (FS_IOC_SHUTDOWN), the broker with it, and comes up again as a disk would:
what was synced is there, and nothing else is. On ext4 and on XFS.

    power_loss.py    GG_ROUNDS=200 for the full figure
"""
from disks import *
from durable import *


def fail_once(scene, disk):
    scene.pause(0.1 + scene.random.random() * 0.6)
    disk.cut_power()
    broker = scene.home.broker
    if scene.random.random() < 0.5:  # It may notice by itself: then it ends, and says why.
        broker.process.wait(LIMIT_S)
        expect(broker.process.returncode == 70, "ended with", broker.process.returncode)
    broker.process.kill()
    broker.stop()
    disk.unmount()
    disk.mount()
    scene.home.start()


def cycles(kind, count):
    disk = Disk(kind, 400)
    try:
        with Scene(data=os.path.join(disk.path, "data")) as scene:
            for _ in range(count):
                fail_once(scene, disk)
            scene.settle()
            jobs = scene.check()
            ended = sum(job.state is not None for job in jobs)
            expect(ended > count, "only", ended, "jobs ended: no load to speak of")
        disk.unmount()
        print(f"{kind}: {count} power cuts, {len(jobs)} jobs accepted, {ended} told to"
              " have ended, none lost, no result lost, none run again")
    finally:
        disk.close()


def main():
    found = kinds()
    for kind in found:
        cycles(kind, max(rounds(20) // len(found), 1))


if __name__ == "__main__":
    main()
