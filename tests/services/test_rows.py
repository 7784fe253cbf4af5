"""The types of rows and messages name the columns and fields of their models and schemas."""

from imapp.schemas.messages import ForwardedFrom, MessageOut, MessageWire, OriginWire, ReactionOut, ReactionWire
from imapp.services.write_path.rows import MESSAGE_COLUMNS, MessageRow


def test_a_message_row_has_the_columns_of_the_table():
    assert tuple(MessageRow.__annotations__) == MESSAGE_COLUMNS


def test_a_message_on_the_wire_has_the_fields_of_its_schema():
    for wire, schema in ((MessageWire, MessageOut), (OriginWire, ForwardedFrom), (ReactionWire, ReactionOut)):
        assert list(wire.__annotations__) == list(schema.model_fields)
