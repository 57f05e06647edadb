"""How every peer is timed: medians of samples of about 10 ms, by wall clock and CPU time of all threads."""

import statistics
import time

SAMPLE = 0.01
FEWEST_RUNS = 3


def measure(layer, run, each=1, seconds_of=None) -> dict:
    """Times `run(repeats)`, which computes `repeats * each` convolutions and waits for them.

    `seconds_of`: what the device itself says the last call of `run` took, instead of the wall clock.
    """
    start = time.perf_counter()
    run(1)
    elapsed = time.perf_counter() - start
    repeats = int(min(max(SAMPLE / max(elapsed, 1e-9), 1), 200))
    wall, cpu = [], []
    begin = time.perf_counter()
    while len(wall) < layer.runs:
        if len(wall) >= FEWEST_RUNS and time.perf_counter() - begin > layer.seconds:
            break
        start, cpu_start = time.perf_counter(), time.process_time()
        run(repeats)
        cpu.append((time.process_time() - cpu_start) / repeats / each)
        elapsed = time.perf_counter() - start if seconds_of is None else seconds_of()
        wall.append(elapsed / repeats / each)
    quartiles = statistics.quantiles(wall, method="inclusive") if len(wall) > 1 else wall * 3
    return {
        "milliseconds": statistics.median(wall) * 1e3,
        "quartile_milliseconds": [quartiles[0] * 1e3, quartiles[2] * 1e3],
        "cpu_milliseconds": statistics.median(cpu) * 1e3,
        "runs": len(wall),
    }


def timed(run):
    """The result of `run()` and the milliseconds it took."""
    start = time.perf_counter()
    result = run()
    return result, (time.perf_counter() - start) * 1e3
