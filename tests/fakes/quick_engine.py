"""An engine that makes nothing and is through at once, with a clock of its own: what it is given, and when, is noted."""

from matted.batch.engines import Failed, Made, Step
from matted.batch.place import JobResult
from matted.errors import Cancelled


class QuickEngine:
    """Every turn lasts a second of its clock. ``errors`` holds, for a shot, what its next tries fail with."""

    def __init__(self, errors=None):
        self.now = 1000.0
        self.submitted = []
        self.times = []
        self.stopped = False
        self.turns = []
        self._errors = {name: list(each) for name, each in (errors or {}).items()}
        self._open = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def clock(self):
        return self.now

    def submit(self, request):
        assert not self.stopped
        self.submitted.append(request.name)
        self.times.append(self.now)
        self._open.append(request)

    def stop(self):
        self.stopped = True

    def news(self, timeout):
        self.now += 1
        for turn in self.turns[:1]:
            turn()
        del self.turns[:1]
        if not self._open:
            return []
        request = self._open.pop(0)
        if self.stopped:
            return [Failed(request.name, Cancelled("cancelled", "Stopped.", hint="Go on."))]
        if self._errors.get(request.name):
            return [Failed(request.name, self._errors[request.name].pop(0))]
        result = JobResult(request.out / "v001", ("red",), {1001: (0.9,)}, (), 1)
        return [Step(request.name, 1001, 1, 1), Made(request.name, result)]
