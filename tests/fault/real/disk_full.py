#!/usr/bin/python3
"""A disk of 64 MB is filled to the brim under load, and emptied again. New work is refused
by name, exit status 7, and the refusal names the disk; what runs can end; once there is
room work is taken again within 5 s, by itself; nothing accepted is lost.

    disk_full.py    GG_ROUNDS=10 for the full figure
"""
from disks import *
from durable import *

BACK_S = 5


def submit_by_hand(scene):
    return subprocess.run([program("ganger"), "submit", IDLE, "x", "--broker",
                           scene.home.client], capture_output=True, text=True)


def fill_with_jobs(scene):
    """Until the broker refuses; returns how many it took."""
    client = Client(scene.home.client)
    taken = []
    payload = "x" * 8000
    try:
        while True:
            taken.append(client.put(IDLE, payload))
    except Refused as refused:
        expect(refused.error == E_STORE_FULL, refused)
        expect(scene.home.data in str(refused), "it does not name the disk:", refused)
    client.close()
    return taken


def others_take(disk, mib):
    """What others on this disk keep; all of it is given back in the end."""
    path = os.path.join(disk.path, "of-others")
    with open(path, "wb", buffering=0) as file:
        file.write(b"x" * (mib * MIB))


def fill_to_the_brim(disk):
    path = os.path.join(disk.path, "of-others")
    with open(path, "ab", buffering=0) as file:
        for size in (MIB, 4096):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
    return path


def one_round(scene, disk, number):
    others_take(disk, 12)
    if number % 2 == 0:
        taken, others = fill_with_jobs(scene), fill_to_the_brim(disk)
    else:
        others, taken = fill_to_the_brim(disk), fill_with_jobs(scene)
    done = submit_by_hand(scene)
    expect(done.returncode == 7, "exit status", done.returncode, done.stderr)
    expect("store_full" in done.stderr and scene.home.data in done.stderr, done.stderr)
    before = [caller.open for caller in scene.callers[:-1]]
    running = [job for jobs in before for job in list(jobs.values()) if job.accepted]
    end = time.monotonic() + LIMIT_S
    while any(job.state is None for job in running):
        expect(time.monotonic() < end, "what ran does not end on a full disk")
        scene.pause(0.02)
    os.unlink(others)
    freed = time.monotonic()
    while submit_by_hand(scene).returncode != 0:
        expect(time.monotonic() - freed < BACK_S, "not taken again after", BACK_S, "s")
    back_s = time.monotonic() - freed
    expect(scene.home.broker.alive(), "the broker ended")
    purge = subprocess.run([program("ganger"), "queue", "purge", IDLE, "--yes",
                            "--broker", scene.home.client], capture_output=True)
    expect(purge.returncode == 0, purge.stderr)
    return len(taken), len(running), back_s


def main():
    if "ext4" not in kinds():
        skip("a small disk is made with ext4")
    disk = Disk("ext4", 64)
    try:
        with Scene(data=os.path.join(disk.path, "data")) as scene:
            idle = scene.callers.pop()  # What waits is purged here.
            idle.ending = True
            idle.open.clear()
            idle.join(LIMIT_S)
            for number in range(rounds(2)):
                scene.pause(0.5)
                print("taken %d, ended while full %d, taken again after %.2f s"
                      % one_round(scene, disk, number))
            scene.settle()
            jobs = scene.check()
        disk.unmount()
        print(f"{len(jobs)} jobs accepted, none lost")
    finally:
        disk.close()


if __name__ == "__main__":
    main()
