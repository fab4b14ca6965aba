"""The heaviest queries of TPC-H and TPC-DS, in the words of the engine's own extensions."""

from tests.conformance.zoo.benchmarks import queries
from tests.conformance.zoo.kind import Kind

_HEAVIEST = {"tpch": (1, 9, 13, 18, 21), "tpcds": (4, 14, 23, 51, 67, 95)}


def _kinds(benchmark: str) -> tuple[Kind, ...]:
    texts = queries(benchmark)
    return tuple(
        Kind(
            f"{benchmark}_{number}",
            benchmark,
            texts[number],
            needs=(benchmark,),
            setup=f"SET search_path TO {benchmark}",
            finite=True,
        )
        for number in _HEAVIEST[benchmark]
    )


TPC = (*_kinds("tpch"), *_kinds("tpcds"))
