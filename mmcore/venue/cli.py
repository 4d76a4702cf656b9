"""The venue's command line."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import random
import secrets
import signal
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from mmcore.venue.accounts import Account
from mmcore.venue.clock import SystemClock
from mmcore.venue.decimals import UNIT_E8, DecimalError, format_e8, parse_e8
from mmcore.venue.exchange import Exchange
from mmcore.venue.faults import FaultError, parse_faults
from mmcore.venue.limits import DEFAULT_LIMITS, Limits, RateLimit
from mmcore.venue.market import Market
from mmcore.venue.recorded import RecordedMarket, RecordingError
from mmcore.venue.server import ServerSettings, VenueServer
from mmcore.venue.signing import KeyRing, ed25519_key, hmac_key
from mmcore.venue.symbol import SymbolError
from mmcore.venue.synthetic import SyntheticMarket

_ACCOUNT = "account-1"
_BPS_PER_UNIT = 10_000
_DAY_S = 86_400
_KEY_ALPHABET = string.ascii_letters + string.digits
_START_BASE_E8 = 1 * UNIT_E8
_START_QUOTE_E8 = 100_000 * UNIT_E8


_LIMIT_OPTIONS = {
    "--orders-10s": (DEFAULT_LIMITS.orders[0], "new orders of an account in 10 s"),
    "--orders-1d": (DEFAULT_LIMITS.orders[1], "new orders of an account in a day"),
    "--weight-1m": (DEFAULT_LIMITS.weight, "request weight of an IP address in a minute"),
    "--raw-requests-5m": (DEFAULT_LIMITS.raw_requests, "requests of an IP address in 5 minutes"),
    "--connections-5m": (DEFAULT_LIMITS.connections, "attempts to connect in 5 minutes, streams and API each"),
}


class _UsageError(Exception):
    """Arguments that do not make a venue; the text says why."""


@dataclass(frozen=True, slots=True)
class _Credentials:
    api_key: str
    api_secret: str
    ed25519_api_key: str | None

    def announce(self, url: str) -> str:
        """The first line on stdout."""
        line = {"url": url, "api_key": self.api_key, "api_secret": self.api_secret}
        if self.ed25519_api_key is not None:
            line["ed25519_api_key"] = self.ed25519_api_key
        return json.dumps(line)


def main(argv: Sequence[str]) -> int:
    """Run a venue until SIGTERM or SIGINT: 0 then, 1 if the venue itself fails, 2 for bad arguments."""
    try:
        options = _parser().parse_intermixed_args(list(argv))
        market, credentials, exchange = _build(options)
    except SystemExit as stop:
        return int(stop.code or 0)
    except (_UsageError, RecordingError, SymbolError) as error:
        _complain(str(error))
        return 2
    return asyncio.run(_serve(options, market, credentials, exchange))


def _complain(text: str) -> None:
    """One line on stderr, whatever the text holds."""
    shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    sys.stderr.write(f"mmcore venue: error: {shown}\n")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message} ('mmcore venue --help' lists the options)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mmcore venue",
        allow_abbrev=False,
        description="A local exchange on 127.0.0.1 that speaks Binance's Spot protocol. When it listens it prints one "
        'line: {"url", "api_key", "api_secret"}. Credentials are random unless VENUE_API_KEY, VENUE_API_SECRET and '
        "VENUE_ED25519_API_KEY name them.",
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default 0)")
    parser.add_argument("--market", choices=("synthetic", "recorded"), default="synthetic", help="default synthetic")
    parser.add_argument("files", nargs="*", metavar="FILE", help="recordings of one symbol, in time order")
    parser.add_argument("--seed", type=int, help="seed of the synthetic market (default 1)")
    parser.add_argument("--speed", help="pace of a recorded market, as a multiple of the recorded one (default 1)")
    parser.add_argument("--maker-fee-bps", default="10", metavar="BPS", help="maker fee (default 10)")
    parser.add_argument("--taker-fee-bps", default="10", metavar="BPS", help="taker fee (default 10)")
    parser.add_argument(
        "--bnb-price",
        metavar="PRICE",
        help="pay fees in BNB at this price in the quote asset, 25 %% off, while there is some (see --balance)",
    )
    parser.add_argument(
        "--balance",
        action="append",
        default=[],
        metavar="ASSET=AMOUNT",
        help="start balance, repeatable (default 1 of the base and 100000 of the quote asset)",
    )
    parser.add_argument(
        "--ed25519-public-key",
        type=Path,
        metavar="FILE",
        help="PEM of a public key that the account may sign with as well; its API key is printed",
    )
    for option, (limit, what) in _LIMIT_OPTIONS.items():
        parser.add_argument(option, type=int, default=limit.limit, metavar="N", help=f"{what} (default {limit.limit})")
    parser.add_argument(
        "--time-scale",
        default="1",
        metavar="X",
        help="connections end after 24 h / X and bans last 1 / X of their time (default 1)",
    )
    parser.add_argument(
        "--lenient-signatures",
        action="store_true",
        help="the WebSocket API takes signatures over percent-encoded parameters as well, which some clients make",
    )
    parser.add_argument(
        "--faults",
        type=Path,
        metavar="FILE",
        help='a plan of faults in JSON, {"seed": N, "faults": [..]}: docs/reference/venue-faults.md',
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end when standard input does: a program that starts a venue leaves none behind, however it dies",
    )
    return parser


def _build(options: argparse.Namespace) -> tuple[Market, _Credentials, Exchange]:
    if not 0 <= options.port <= 65_535:
        raise _UsageError(f"--port {options.port} is not from 0 to 65535")
    maker_rate_e8 = _rate("--maker-fee-bps", options.maker_fee_bps)
    taker_rate_e8 = _rate("--taker-fee-bps", options.taker_fee_bps)
    bnb_price_e8 = _bnb_price(options.bnb_price)
    limits = _limits(options, _time_scale(options.time_scale))
    balances = dict(_balance(text) for text in options.balance)
    credentials = _credentials(os.environ, options.ed25519_public_key is not None)
    keys = KeyRing()
    keys.add(hmac_key(credentials.api_key, _ACCOUNT, credentials.api_secret))
    if credentials.ed25519_api_key is not None:
        _add_ed25519(keys, credentials.ed25519_api_key, options.ed25519_public_key)
    market = _market(options)
    account = Account(_ACCOUNT, credentials.api_key, limits.orders)
    exchange = Exchange(
        market,
        SystemClock(),
        keys,
        [account],
        maker_rate_e8=maker_rate_e8,
        taker_rate_e8=taker_rate_e8,
        rng=random.Random(_seed(options)),
        limits=limits,
    )
    exchange.bnb_price_e8 = bnb_price_e8
    account.commission = replace(account.commission, pays_in_bnb=bnb_price_e8 > 0)
    if options.faults is not None:
        _arm_faults(exchange, options.faults)
    start = {exchange.rules.base: _START_BASE_E8, exchange.rules.quote: _START_QUOTE_E8, **balances}
    account.fund(start)
    return market, credentials, exchange


def _arm_faults(exchange: Exchange, path: Path) -> None:
    try:
        seed, faults = parse_faults(path.read_bytes())
    except OSError as error:
        raise _UsageError(f"--faults {path}: {error.strerror}") from None
    except FaultError as error:
        raise _UsageError(f"--faults {path}: {error}") from None
    exchange.faults.seed = seed
    exchange.faults.add(faults, exchange.clock.now_us())


def _seed(options: argparse.Namespace) -> int:
    return 1 if options.seed is None else int(options.seed)


def _market(options: argparse.Namespace) -> Market:
    if options.market == "synthetic":
        if options.files or options.speed is not None:
            raise _UsageError("FILE and --speed go with --market recorded only")
        return SyntheticMarket(_seed(options))
    if not options.files:
        raise _UsageError("--market recorded needs at least one FILE")
    if options.seed is not None:
        raise _UsageError("--seed goes with --market synthetic only")
    market = RecordedMarket([Path(name) for name in options.files], _speed(options.speed))
    if market.grid_is_derived:
        sys.stderr.write(
            f"mmcore venue: {market.symbol}: tick {format_e8(market.tick_e8)} and step {format_e8(market.step_e8)} are "
            "derived from the decimals of the recorded snapshot\n"
        )
    return market


def _limits(options: argparse.Namespace, scale: Fraction) -> Limits:
    read: dict[str, RateLimit] = {}
    for option, (limit, _) in _LIMIT_OPTIONS.items():
        number = getattr(options, option.removeprefix("--").replace("-", "_"))
        if not 1 <= number <= 1_000_000_000:
            raise _UsageError(f"{option} {number} is not from 1 to 1000000000")
        read[option] = dataclasses.replace(limit, limit=number)
    return Limits(
        weight=read["--weight-1m"],
        orders=(read["--orders-10s"], read["--orders-1d"]),
        raw_requests=read["--raw-requests-5m"],
        connections=read["--connections-5m"],
        ban_us=int(DEFAULT_LIMITS.ban_us / scale),
        longest_ban_us=int(DEFAULT_LIMITS.longest_ban_us / scale),
    )


def _speed(text: str | None) -> Fraction:
    if text is None:
        return Fraction(1)
    try:
        speed_e8 = parse_e8(text)
    except DecimalError:
        speed_e8 = 0
    if not UNIT_E8 // 100 <= speed_e8 <= 1000 * UNIT_E8:
        raise _UsageError(f"--speed {text} is not a number from 0.01 to 1000")
    return Fraction(speed_e8, UNIT_E8)


def _time_scale(text: str) -> Fraction:
    try:
        scale_e8 = parse_e8(text)
    except DecimalError:
        scale_e8 = 0
    if not UNIT_E8 <= scale_e8 <= 86_400 * UNIT_E8:
        raise _UsageError(f"--time-scale {text} is not a number from 1 to 86400")
    return Fraction(scale_e8, UNIT_E8)


def _rate(option: str, text: str) -> int:
    """A fee in basis points, up to four decimals, as a rate in 1e-8."""
    try:
        rate_e8, rest = divmod(parse_e8(text), _BPS_PER_UNIT)
    except DecimalError:
        rate_e8, rest = 0, 1
    if rest or rate_e8 > UNIT_E8 // 10:
        raise _UsageError(f"{option} {text} is not a number from 0 to 1000 with up to four decimals")
    return rate_e8


def _bnb_price(text: str | None) -> int:
    """0 where nobody pays in BNB."""
    if text is None:
        return 0
    try:
        price_e8 = parse_e8(text)
    except DecimalError:
        price_e8 = 0
    if not price_e8:
        raise _UsageError(f"--bnb-price {text} is not a price above 0")
    return price_e8


def _balance(text: str) -> tuple[str, int]:
    asset, _, amount = text.partition("=")
    try:
        amount_e8 = parse_e8(amount)
    except DecimalError:
        amount_e8 = -1
    if not asset.isalnum() or asset != asset.upper() or amount_e8 < 0:
        raise _UsageError(f"--balance {text} is not of the form ASSET=AMOUNT, such as USDT=100000")
    return asset, amount_e8


def _credentials(environment: Mapping[str, str], with_ed25519: bool) -> _Credentials:
    def pick(name: str) -> str:
        return environment.get(name) or "".join(secrets.choice(_KEY_ALPHABET) for _ in range(64))

    second = pick("VENUE_ED25519_API_KEY") if with_ed25519 else None
    credentials = _Credentials(pick("VENUE_API_KEY"), pick("VENUE_API_SECRET"), second)
    if credentials.ed25519_api_key == credentials.api_key:
        raise _UsageError("VENUE_ED25519_API_KEY and VENUE_API_KEY name the same key")
    return credentials


def _add_ed25519(keys: KeyRing, api_key: str, path: Path) -> None:
    try:
        keys.add(ed25519_key(api_key, _ACCOUNT, path.read_bytes()))
    except (OSError, ValueError) as error:
        raise _UsageError(f"--ed25519-public-key {path}: {error}") from error


async def _serve(options: argparse.Namespace, market: Market, credentials: _Credentials, exchange: Exchange) -> int:
    recorded = isinstance(market, RecordedMarket)
    queue_log: Sequence[dict[str, Any]] | None = market.queue.log if isinstance(market, RecordedMarket) else None
    server = VenueServer(
        exchange,
        start_with_depth=recorded,
        order_rng=random.Random(_seed(options)),
        queue_log=queue_log,
        settings=ServerSettings(
            connection_life_s=float(_DAY_S / _time_scale(options.time_scale)),
            lenient_signatures=options.lenient_signatures,
        ),
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if options.until_stdin_closes:
        _watch_stdin(loop, stopped)
    try:
        url = await server.start(options.port)
    except OSError as error:
        _complain(f"cannot listen on port {options.port}: {error.strerror or error}")
        return 2
    sys.stdout.write(credentials.announce(url) + "\n")
    sys.stdout.flush()
    failure = await _until_stopped(server, stopped)
    await server.stop()
    if failure is not None:
        _complain(f"{type(failure).__name__}: {failure}")
        return 1
    return 0


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    descriptor = sys.stdin.fileno()

    def read() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            stopped.set()

    loop.add_reader(descriptor, read)


async def _until_stopped(server: VenueServer, stopped: asyncio.Event) -> BaseException | None:
    """Wait for a signal, or for a fault of the venue, which is returned."""
    assert server.failure is not None, "the server has started"
    stop = asyncio.ensure_future(stopped.wait())
    done, _ = await asyncio.wait((stop, server.failure), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    return server.failure.exception() if server.failure in done else None
