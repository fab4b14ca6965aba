"""What the service offers: features, and the specifications an endpoint may reserve. They need no service behind."""

from starlette.responses import Response

from treadle.api import replies
from treadle.api.answers import answer
from treadle.api.bodies import EndpointType, Nothing
from treadle.api.routes import AnyRoute, Ask, Route
from treadle.config import Settings


class Offers:
    """The operations."""

    def __init__(self, settings: Settings) -> None:
        features = tuple(_feature(f"endpoint.{kind}", has=kind is EndpointType.SQL) for kind in EndpointType)
        specs = tuple(
            replies.Spec(spec_code=code, memory=int(spec.memory), threads=spec.threads)
            for code, spec in settings.dpu_specs.items()
        )
        self._features = replies.Features(configs=features, total=len(features))
        self._specs = replies.Specs(total=len(specs), spec_codes=specs)

    async def features(self, _: Ask[Nothing, Nothing]) -> Response:
        """List the kinds of endpoints, and which of them there are."""
        return answer(self._features)

    async def specs(self, _: Ask[Nothing, Nothing]) -> Response:
        """List the specifications of workers."""
        return answer(self._specs)


def _feature(key: str, *, has: bool) -> replies.Feature:
    return replies.Feature(key=key, value="true" if has else "false")


def routes(settings: Settings) -> tuple[AnyRoute, ...]:
    """The table of what is offered."""
    rooms = Offers(settings)
    return (
        Route(
            operation="ListFeatures",
            method="GET",
            path="/v1/features",
            summary="List the documented kinds of endpoints, and whether the service has them.",
            tag="Offers",
            handle=rooms.features,
            query=Nothing,
            body=Nothing,
            reply=replies.Features,
        ),
        Route(
            operation="ListSpecs",
            method="GET",
            path="/v1/specs",
            summary="List the specifications an endpoint may reserve.",
            tag="Offers",
            handle=rooms.specs,
            query=Nothing,
            body=Nothing,
            reply=replies.Specs,
        ),
    )
