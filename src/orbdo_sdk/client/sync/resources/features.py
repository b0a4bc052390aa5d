# Made from src/orbdo_sdk/client/resources/features.py by scripts/unasync.py: change that file and run it.
"""Features: what an app asks about before it does work for a customer. Plans grant them."""

from collections.abc import Mapping

from orbdo_sdk.client._vocabulary import given, path
from orbdo_sdk.client.sync._pages import SyncPages
from orbdo_sdk.client.sync.resources._resource import Resource
from orbdo_sdk.wire import Feature, FeatureType, Page


class Features(Resource):
    """The features of the account. Which customer has one is a question for ``orb.entitlements``."""

    def create(
        self,
        key: str,
        *,
        type: FeatureType = "boolean",  # noqa: A002 - the word of the API
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Feature:
        """The new feature under a key of your own: a switch, a ``limit`` or a ``config`` value.

        Raises BadRequestError when the key is taken.
        """
        body = given(key=key, type=type, name=name, metadata=metadata)
        return self._post(Feature, path("features"), body)

    def get(self, key: str) -> Feature:
        """The feature, by its key or its id; raises NotFoundError when there is none."""
        return self._get(Feature, path("features", key))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> SyncPages[Feature]:
        """All features, newest first, ``limit`` (1 to 100, the server's default is 20) a page."""
        return self._list(Page[Feature], path("features"), limit=limit, cursor=cursor)
