#!/usr/bin/python3
"""Backups taken under load. Each restores to one moment: of jobs accepted one after the
other it has the first ones and none of the later ones, it is sound, and everything that
had been told before it was begun is there, with the bytes that were told.

    backups.py    GG_ROUNDS=20 for the full figure
"""
from durable import *

LINE = "line"


class Liner(threading.Thread):
    """Accepted one after the other: job n is there if job n + 1 is."""

    def __init__(self, endpoint):
        super().__init__(daemon=True)
        self.endpoint = endpoint
        self.jobs = []
        self.ending = False

    def run(self):
        client = Client(self.endpoint)
        while not self.ending:
            self.jobs.append(client.put(LINE, "next"))
        client.close()


def cli(*words):
    done = subprocess.run([program("ganger"), *words], capture_output=True, text=True)
    expect(done.returncode == 0, words, done.stdout, done.stderr)
    return done.stdout


def known(client, job):
    try:
        return client.get(job)
    except Refused as refused:
        expect(refused.error == E_NOT_FOUND, refused)
        return None


def check(folder, number, lined, told):
    """What a restored folder says."""
    data = os.path.join(folder, f"restored-{number}")
    cli("broker", "restore", os.path.join(folder, f"backup-{number}"), data)
    expect("sound" in cli("doctor", data), "it is not sound")
    home = Home(data)
    client = Client(home.client)
    there = [known(client, job) is not None for job in lined]
    count = sum(there)
    expect(there == [True] * count + [False] * (len(there) - count), "not one moment")
    for job, state, result in told:
        now = known(client, job)
        expect(now is not None, "told, and not in the backup:", id_text(job))
        if state is not None:
            expect(now[6] == state and now.get(21, b"") == result, now)
    client.close()
    expect(home.broker.stop() == 0, home.broker.lines[-3:])
    shutil.rmtree(data)
    return count


def main():
    count = rounds(3)
    with Scene() as scene:
        liner = Liner(scene.home.client)
        liner.start()
        before = []
        for number in range(count):
            scene.pause(0.3 + scene.random.random() * 0.5)
            told = [(job.id, job.state, job.result) for job in scene.accepted()]
            at_least = len(liner.jobs)
            cli("broker", "backup", os.path.join(scene.folder, f"backup-{number}"),
                "--reason", f"night {number}", "--broker", scene.home.client)
            audit = scene.home.broker.wait_for_line(f'reason="night {number}"')
            expect("what=backup" in audit, "a backup is not in the audit log", audit)
            before.append((told, at_least))
        liner.ending = True
        liner.join(LIMIT_S)
        scene.settle()
        scene.check()
        for number, (told, at_least) in enumerate(before):
            lined = check(scene.folder, number, liner.jobs, told)
            expect(at_least <= lined, "it is from before it was asked for", lined)
            print(f"backup {number}: {lined} of {len(liner.jobs)} in line,"
                  f" {len(told)} told before it, all there")


if __name__ == "__main__":
    main()
