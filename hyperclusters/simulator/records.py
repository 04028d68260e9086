"""What a caller, a person or a test says, checked field by field."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

ProjectId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Name = Annotated[str, Field(pattern=r"^[-_.a-zA-Z0-9]{1,64}$")]
SubnetId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
]
ClusterType = Literal["HPS", "ECS"]
Whole = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]


class BehaviourError(ValueError):
    """An unknown name, or a value that makes no sense; the text names it."""


class Record(BaseModel):
    """Named values of exactly the annotated types. The descriptions of the fields are for the help page."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        """The record with these values, or defaults. Raises BehaviourError."""
        try:
            return cls.model_validate(dict(content))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise BehaviourError(f"{problem['loc'][0]}: {problem['msg']}") from error
