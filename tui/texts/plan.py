"""Preflight and plan."""

# Preflight

PREFLIGHT_LEAD = "Are the hosts fit? Failures first, with what to do. Nothing is changed."
PREFLIGHT_HOST = "host"
PREFLIGHT_TOGETHER = "(together)"
PREFLIGHT_WAIT = "The hosts are not checked yet."
PREFLIGHT_FAILED = "Put right what failed, then check again (a, or r for one host)."
VERDICTS = {"pass": "ok", "warn": "warn", "fail": "FAIL"}
FIT = {True: "fit", False: "not fit"}
CHECKS_COUNTED = "{fit}: {checks} on {hosts}, {failed} failed, {warnings}"

# Plan

PLAN_LEAD = "What would be done, stage by stage. Nothing is changed before you say so."
PLAN_STAGES = "Stages"
PLAN_CHANGES = "Changes"
PLAN_CLUSTERFILE = "Clusterfile"
PLAN_WAIT = "The plan is not made yet."
PLAN_EMPTY = "Nothing to do: the hosts are as they should be."
PLAN_STARTING = "The run is being started; wait a moment."
PLAN_COUNTED = "{steps} in {stages} on {hosts}"
OPERATION = "{operation} of {cluster}"
OPERATIONS = {
    "apply": "apply {product} to {cluster}",
    "add": "add {product} to {cluster}",
    "remove": "take {product} away from {cluster}",
    "reset": "reset of {cluster}",
}
PLAN_ABOUT = "{what}: {counted}"
PLAN_LOST = "; something is LOST by it"
PLAN_STAGE = "{number}. {title}  ({steps}, {hosts})"
PLAN_STAGE_LOST = "LOST by it: "
PLAN_STEP = "{title}  [{hosts}]"
PLAN_NOTE = "note: {text}"
CONFIRM_TITLE = "Carry it out?"
CONFIRM_NO = "No"
CONFIRM_YES = "Yes, do it"
CONFIRM_LOSS = "Something is lost by this and cannot be brought back"
PLAN_COST = "At most {sent} sent to {hosts}; one writes {written}."
PLAN_TIME = "That alone takes {span}."
PLAN_NO_TIME = "Time: not measured."
LEASED_TITLE = "Another run has leased hosts"
LEASED = "{operator} has leased {hosts} for run {run} of cluster {cluster} since {since}: {names}."
LEASED_TYPE = (
    "Ask whether that run is dead. To take the hosts over ends what it does there, in the middle of a step.\n"
    "Type the cluster's name, {cluster}, to do it; Escape does nothing."
)
CONFIRM_ABOUT = "{what}: {counted}."
CONFIRM_LOST = "LOST by it: {stages}."
CONFIRM_TYPE = "Type the cluster's name, {cluster}, to do it; Escape does nothing."
CONFIRM_STOPPABLE = "It can be paused and stopped; what was done until then stays, and the same again goes on with it."
SAVE_TITLE = "Save the Clusterfile"
SAVE_TEXT = "Where? An existing file is not overwritten; there is no secret in it."
