#!/usr/bin/python3
"""Jobs come, run and go at full speed: the data folder stays within three times the live
data and 64 MiB, and the broker's memory does not grow after the warm-up.

    churn.py    GG_CHURN_S=600 for the full figure
"""
from durable import *

CHURN_S = float(os.environ.get("GG_CHURN_S", 15))
WARM_S = min(CHURN_S / 3, 60)
SLACK = 64 << 20
GROWTH_KIB = 1024 if CHURN_S >= 60 else 8192  # A short run is all warm-up.


def folder_bytes(path):
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            if name == "ballast":
                continue  # Held in reserve, and of a fixed size.
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def live_bytes(client):
    status = client.ask(C_GET_BROKER, C_BROKER, {})
    return status.get(21, 0) + status.get(23, 0)


def main():
    folder = tempfile.mkdtemp(prefix="ganger-churn-")
    home = Home(os.path.join(folder, "data"))
    bench = Program(program("ganger"), "bench", "--spawn-workers", "1", "--time",
                    f"{CHURN_S:.0f}s", "-o", "json", "--broker", home.client,
                    stdout=subprocess.PIPE)
    try:
        client = Client(home.client)
        start = time.monotonic()
        worst, first_kib, last_kib = 0.0, None, 0
        while bench.process.poll() is None:
            select.select([], [], [], 0.5)
            used, live = folder_bytes(home.data), live_bytes(client)
            worst = max(worst, used / (3 * live + SLACK))
            expect(used <= 3 * live + SLACK, "the folder has", used, "for", live)
            last_kib = home.broker.rss_kib()
            if first_kib is None and time.monotonic() - start > WARM_S:
                first_kib = last_kib
        said = bench.process.stdout.read()
        expect(bench.wait() == 0, bench.lines[-3:])
        grown = last_kib - (first_kib or last_kib)
        expect(SANITIZED or grown <= GROWTH_KIB, "memory grew by", grown, "KiB")
        jobs = re.search(r'"jobs": *(\d+)', said)
        expect(jobs and int(jobs[1]) > 1000, "no churn to speak of:", said)
        client.close()
        expect(home.broker.stop() == 0, home.broker.lines[-3:])
        print(f"{jobs[1]} jobs came and went in {CHURN_S:.0f} s: the folder took at most"
              f" {worst * 100:.0f} % of what it may, memory grew by {grown} KiB")
    finally:
        bench.kill()
        if home.broker.alive():
            home.broker.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
