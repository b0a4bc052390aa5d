"""What a model of a request takes and what it does not."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from orbdo_server.api.problems import from_pydantic


def is_taken(model: type[BaseModel], body: dict[str, Any]) -> bool:
    """Whether a request of that model is well formed."""
    try:
        model.model_validate(body)
    except ValidationError:
        return False
    return True


def wrong_fields(model: type[BaseModel], body: dict[str, Any]) -> list[str]:
    """The fields that the answer to a bad request names."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return [problem.field for problem in from_pydantic(caught.value, where="body").problems]
