"""What Prometheus reads at /metrics. Names, labels and meaning are vLLM's, so that its dashboards work."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from llaisys_mini.engine.engine import Engine
from llaisys_mini.engine.request import Request

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """model: the name it is served under."""

    def __init__(self, model: str):
        disable_created_metrics()  # a second series of each, which nobody reads
        self.registry = CollectorRegistry()
        self._labels = {"model_name": model}

        def made(kind, name, text, labels=(), **options):
            metric = kind(f"vllm:{name}", text, ("model_name", *labels), registry=self.registry, **options)
            return metric if labels else metric.labels(**self._labels)

        self._running = made(Gauge, "num_requests_running", "Requests in work.")
        self._waiting = made(Gauge, "num_requests_waiting", "Requests that wait.")
        self._usage = made(Gauge, "kv_cache_usage_perc", "Share of the pages in use; 1 is all.")
        self._prompt = made(Counter, "prompt_tokens", "Prompt tokens.")
        self._written = made(Counter, "generation_tokens", "Tokens written.")
        self._preemptions = made(Counter, "num_preemptions", "How often a request made room.")
        self._asked = made(Counter, "prefix_cache_queries", "Prompt tokens looked up in the cache.")
        self._hits = made(Counter, "prefix_cache_hits", "Prompt tokens found there.")
        self._ended = made(Counter, "request_success", "Requests that ended.", ("finished_reason",))
        self._first = made(Histogram, "time_to_first_token_seconds", "Time to the first token.", buckets=_SECONDS)
        self._gap = made(Histogram, "inter_token_latency_seconds", "Time between tokens.", buckets=_SECONDS)
        self._whole = made(Histogram, "e2e_request_latency_seconds", "Time of a request.", buckets=_SECONDS)
        self._last: dict[Request, float] = {}
        self._preempted = 0

    def text(self) -> bytes:
        """All of them in Prometheus' format."""
        return generate_latest(self.registry)

    def show(self, engine: Engine) -> None:
        """The engine's state."""
        scheduler, pool = engine.scheduler, engine.cache.pool
        self._running.set(len(scheduler.running))
        self._waiting.set(len(scheduler.waiting))
        self._usage.set(pool.in_use / pool.pages)
        self._preemptions.inc(scheduler.preemptions - self._preempted)
        self._preempted = scheduler.preemptions

    def wrote(self, request: Request, tokens: int, seconds: float) -> None:
        """A request wrote some tokens, that long after it arrived."""
        if request not in self._last:
            self._first.observe(seconds)
            self._prompt.inc(request.prompt_length)
            self._asked.inc(request.prompt_length)
            self._hits.inc(request.shared)
        else:
            for _ in range(tokens):
                self._gap.observe((seconds - self._last[request]) / tokens)
        self._last[request] = seconds
        self._written.inc(tokens)

    def ended(self, request: Request, seconds: float) -> None:
        """A request ended, that long after it arrived."""
        self._last.pop(request, None)
        self._whole.observe(seconds)
        reason = {"aborted": "abort"}.get(str(request.stop_reason), request.stop_reason)
        self._ended.labels(**self._labels, finished_reason=reason).inc()
