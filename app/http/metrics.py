"""Figures for Prometheus: requests, stages of answers, queues, jobs, refusals and caches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from app.answering.types import Final
from app.http.common import ServiceDep
from app.http.generations import Generations
from app.service import Service

router = APIRouter(tags=["operations"])

_Item = TypeVar("_Item")

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """The figures of one application."""

    def __init__(self, service: Service, generations: Generations) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "zhiwen_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "zhiwen_request_seconds",
            "Time until a request was answered, streams to their end",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "zhiwen_answer_stage_seconds",
            "Time of an answer by stage: rewrite, embed, search, first_token and the like",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refusals = Counter(
            "zhiwen_answers_refused", "Questions that the documents do not answer", registry=self.registry
        )
        self._answers = Counter("zhiwen_answers", "Answers written", ["model"], registry=self.registry)
        self.registry.register(_State(service, generations))

    def observed(self, events: Iterator[_Item]) -> Iterator[_Item]:
        """The events of an answer, whose end is counted."""
        for event in events:
            if isinstance(event, Final):
                self._answers.labels(event.answer.model).inc()
                if event.answer.refused:
                    self._refusals.inc()
                for stage, seconds in event.answer.timings.items():
                    self._stages.labels(stage).observe(seconds)
            yield event


class _State(Collector):
    """What is read when it is asked for."""

    def __init__(self, service: Service, generations: Generations) -> None:
        self._service = service
        self._generations = generations

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand, so that registering asks nothing of the service."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        yield _gauge("zhiwen_generations_active", "Answers being written", self._generations.active)
        yield _gauge("zhiwen_generations_waiting", "Answers waiting for a slot", self._generations.waiting)
        jobs = GaugeMetricFamily("zhiwen_jobs", "Of the newest 100 jobs, those by state", labels=["state"])
        states = [job.state for job in self._service.jobs()]
        for state in ("queued", "running", "done", "failed", "cancelled"):
            jobs.add_metric([state], states.count(state))
        yield jobs
        indexes = GaugeMetricFamily(
            "zhiwen_indexes",
            "Indexes read from the cache, rebuilt, and caught up",
            labels=["how"],
        )
        for how, count in asdict(self._service.index_report()).items():
            indexes.add_metric([how], count)
        yield indexes
        stages = GaugeMetricFamily(
            "zhiwen_ingestion_seconds", "Time spent on ingestion since the start", labels=["stage"]
        )
        for stage, seconds in self._service.ingestion_seconds().items():
            stages.add_metric([stage], seconds)
        yield stages


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def observed_by(request: Request) -> Callable[[Iterator[_Item]], Iterator[_Item]]:
    """What counts the answers of the application that a request came to."""
    metrics: Metrics = request.app.state.metrics
    return metrics.observed


@router.get("/metrics", response_class=Response)
def metrics(request: Request, service: ServiceDep) -> Response:
    """Figures in the format of Prometheus; where keys are used, for an administrator's."""
    service.operations  # noqa: B018 - raises where the key has no right to it
    found: Metrics = request.app.state.metrics
    return Response(generate_latest(found.registry), media_type=CONTENT_TYPE_LATEST)
