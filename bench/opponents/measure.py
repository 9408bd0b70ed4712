"""What every opponent tells of itself: one JSON object on standard output, as `sotto bench` counts."""

import json
import resource
import time

# The shape of the load, the same for all: see docs/performance.md.
ECHO_BYTES = 64
ECHOES = 2000
ECHO_SECONDS = 2


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Span:
    """Time and processor time since it was made."""

    def __init__(self):
        self.began = time.monotonic()
        self.processor = processor_seconds()

    def fields(self):
        return {"seconds": time.monotonic() - self.began, "cpu_s": processor_seconds() - self.processor}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def round_trips(seconds):
    return {
        "rtt_us_p50": percentile(seconds, 0.5) * 1e6,
        "rtt_us_p99": percentile(seconds, 0.99) * 1e6,
        "round_trips": len(seconds),
    }


def tell(**fields):
    fields["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps(fields), flush=True)
