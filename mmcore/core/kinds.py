"""Numbers of mmcore.h that the host names: kinds of records, operations, states, flags, commands."""

from __future__ import annotations

import enum

from mmcore._native import lib


class Kind(enum.IntEnum):
    """What a record is."""

    ACK = lib.MM_KIND_ACK
    REJECT = lib.MM_KIND_REJECT
    CANCELED = lib.MM_KIND_CANCELED
    CANCEL_REJECT = lib.MM_KIND_CANCEL_REJECT
    STATUS = lib.MM_KIND_STATUS
    LOST = lib.MM_KIND_LOST
    SENT = lib.MM_KIND_SENT
    NOT_SENT = lib.MM_KIND_NOT_SENT
    AMENDED = lib.MM_KIND_AMENDED
    AMEND_REJECT = lib.MM_KIND_AMEND_REJECT
    BUDGET = lib.MM_KIND_BUDGET
    OPEN_ROW = lib.MM_KIND_OPEN_ROW
    PLACE = lib.MM_KIND_PLACE
    CANCEL = lib.MM_KIND_CANCEL
    QUERY = lib.MM_KIND_QUERY
    AMEND = lib.MM_KIND_AMEND
    REPLACE = lib.MM_KIND_REPLACE
    WANT_SNAPSHOT = lib.MM_KIND_WANT_SNAPSHOT
    WANT_TRADES = lib.MM_KIND_WANT_TRADES
    WANT_OPEN = lib.MM_KIND_WANT_OPEN
    WANT_ACCOUNT = lib.MM_KIND_WANT_ACCOUNT
    WANT_CLOCK = lib.MM_KIND_WANT_CLOCK
    WANT_PRICE = lib.MM_KIND_WANT_PRICE
    WANT_RULES = lib.MM_KIND_WANT_RULES
    STATE = lib.MM_KIND_STATE


class Operation(enum.IntEnum):
    """What was asked about an order."""

    PLACE = lib.MM_OP_PLACE
    CANCEL = lib.MM_OP_CANCEL
    QUERY = lib.MM_OP_QUERY
    AMEND = lib.MM_OP_AMEND
    REPLACE = lib.MM_OP_REPLACE


class OrderState(enum.IntEnum):
    """States of an order."""

    PENDING = lib.MM_ORDER_PENDING
    LIVE = lib.MM_ORDER_LIVE
    UNKNOWN = lib.MM_ORDER_UNKNOWN
    FILLED = lib.MM_ORDER_FILLED
    CANCELED = lib.MM_ORDER_CANCELED
    REJECTED = lib.MM_ORDER_REJECTED
    EXPIRED = lib.MM_ORDER_EXPIRED
    OTHER = lib.MM_ORDER_STATUS_OTHER


class RecordFlag(enum.IntFlag):
    """Flags of a record."""

    FOUND = lib.MM_FLAG_FOUND
    FOREIGN = lib.MM_FLAG_FOREIGN
    OLD_RUN = lib.MM_FLAG_OLD_RUN
    NEW_RUN = lib.MM_FLAG_NEW_RUN
    MAKER = lib.MM_FLAG_MAKER


class Command(enum.IntEnum):
    """What the supervisor may tell the engine."""

    START = lib.MM_COMMAND_START
    STOP = lib.MM_COMMAND_STOP
    KILL = lib.MM_COMMAND_KILL
    SYMBOL = lib.MM_COMMAND_SYMBOL
    STRATEGY_FAULT = lib.MM_COMMAND_STRATEGY_FAULT


class EngineState(enum.IntEnum):
    """States of the engine."""

    INIT = lib.MM_STATE_INIT
    SYNCING = lib.MM_STATE_SYNCING
    ACTIVE = lib.MM_STATE_ACTIVE
    REDUCING = lib.MM_STATE_REDUCING
    HALTED = lib.MM_STATE_HALTED
    STOPPING = lib.MM_STATE_STOPPING
    STOPPED = lib.MM_STATE_STOPPED
    KILLED = lib.MM_STATE_KILLED


class StrategyKind(enum.IntEnum):
    """Where quotes come from."""

    INVENTORY_SKEW = lib.MM_STRATEGY_INVENTORY_SKEW
    AVELLANEDA_STOIKOV = lib.MM_STRATEGY_AVELLANEDA_STOIKOV
    PYTHON = lib.MM_STRATEGY_PYTHON


class WaitPolicy(enum.IntEnum):
    """How a consumer waits."""

    BLOCK = lib.MM_WAIT_BLOCK
    YIELD = lib.MM_WAIT_YIELD
    SPIN = lib.MM_WAIT_SPIN
