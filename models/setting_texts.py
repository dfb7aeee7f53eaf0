"""A setting's value as text, as plans show it."""

from models.configuration import AssociatedRole, CustomEndpoint, Instance, ServerlessV2Scaling


def describe_value(value: object) -> str:
    """The value in words; "–" if it is not set."""
    match value:
        case None:
            text = "–"
        case bool():
            text = "yes" if value else "no"
        case tuple():
            text = ", ".join(map(describe_value, value)) or "none"
        case dict():
            text = ", ".join(f"{name}={describe_value(part)}" for name, part in value.items()) or "none"
        case Instance():
            group = value.db_parameter_group_name
            text = f"{value.instance_class} with {group}" if group else value.instance_class
        case ServerlessV2Scaling():
            pause = value.seconds_until_auto_pause
            paused = f", paused after {pause} s without connections" if pause else ""
            text = f"{value.min_capacity:g} to {value.max_capacity:g} ACU{paused}"
        case AssociatedRole():
            text = f"{value.role_arn} for {value.feature_name}" if value.feature_name else value.role_arn
        case CustomEndpoint():
            members = ", ".join(value.static_members) or "every instance"
            excluded = f" but {', '.join(value.excluded_members)}" if value.excluded_members else ""
            text = f"{value.identifier} ({value.endpoint_type}: {members}{excluded})"
        case _:
            text = str(value)
    return text
