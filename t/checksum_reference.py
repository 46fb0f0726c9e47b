#!/usr/bin/python3
"""The source checksum of docs/checksum.md, computed without the extension.

    checksum_reference.py FILE.db TABLE DECISIONS.json

prints the number of rows and the checksum.  DECISIONS.json is an array with one
object for each hashed column, in source column order:

    {"column": "price",           name in SQLite
     "type": "numeric(10,2)",     PostgreSQL type, as format_type() prints it
     "reading": "unix_ms",        for numbers in date columns; absent: none
     "mixed": true,               text, bytea: every storage class is taken
     "empty_as_null": true,       '' counts as NULL
     "fixed": true,               a timestamp takes offsets, as UTC
     "null_misfits": true}        what does not fit counts as NULL

A value that does not fit ends the program with its row and column, unless
null_misfits is set.  The database is taken to be in UTF8.  For a type that is
not known here the text is hashed as it is: right where the type prints what it
was given.

Written from the documentation, for the tests; plain before fast.  It needs
Debian's python3-xxhash.
"""
import datetime
import decimal
import json
import math
import re
import sqlite3
import struct
import sys

import xxhash

DAY = 86400 * 10**6                         # microseconds
EPOCH = datetime.date(2000, 1, 1)
UNIX = (datetime.date(1970, 1, 1) - EPOCH).days * DAY
YEAR_1 = (datetime.date(1, 1, 1) - EPOCH).days * DAY
YEAR_10000 = ((datetime.date(9999, 12, 31) - EPOCH).days + 1) * DAY
JULIAN_UNIX_MS = 210866760000000            # of 1970-01-01, from Julian day 0
MAX_JSON_DEPTH = 2000
MAX_JSONB_STRING = 0x0FFFFFFF
MAX_FIELD = 0x3FFFFFFF - 4


class Misfit(Exception):
    """The value has no canonical form for its type."""


class Text(bytes):
    """A SQLite text, as UTF-8; blobs are plain bytes."""


class BadText(Text):
    """Text of a UTF-16 file that cannot be written as UTF-8: its bytes in the file."""


def need(condition, why):
    if not condition:
        raise Misfit(why)


# Framing

def hash128(data):
    return xxhash.xxh3_128_intdigest(data)


def int64(tag, value):
    return tag + struct.pack('<q', value)


def string(tag, data):
    return tag + struct.pack('<I', len(data)) + data


def number(value):
    """Canonical bytes of a finite Decimal."""
    sign, digits, exponent = value.as_tuple()
    digits = ''.join(map(str, digits)).lstrip('0')
    exponent += len(digits) - len(digits.rstrip('0'))
    digits = digits.rstrip('0')
    if not digits:
        return b'n' + struct.pack('<qi', 0, 0)
    if len(digits) <= 18:
        return b'n' + struct.pack('<qi', -int(digits) if sign else int(digits), exponent)
    return b'N' + (b'-' if sign else b'+') + struct.pack('<iI', exponent, len(digits)) + digits.encode()


# Numbers and texts

def decimal_text(text):
    need(re.fullmatch(rb'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?', text), 'no decimal')
    with decimal.localcontext() as context:
        context.prec = decimal.MAX_PREC
        context.Emax = decimal.MAX_EMAX
        context.Emin = decimal.MIN_EMIN
        return decimal.Decimal(text.decode())


def shortest(x, most, below, above):
    """The decimal of fewest digits that lies nearer to x than to its neighbours below
    and above, and is the nearest of those, of two the even one: float4out's form."""
    x = decimal.Decimal(x)
    with decimal.localcontext() as context:
        context.prec = 1200
        low, high = (x + below) / 2, (x + above) / 2
        for digits in range(1, most + 1):
            rounded = decimal.Context(prec=digits).create_decimal(x)
            step = decimal.Decimal(1).scaleb(rounded.adjusted() - digits + 1)
            inside = [d for d in (rounded, rounded - step, rounded + step) if low < d < high]
            if inside:
                return min(inside, key=lambda d: abs(d - x))
    raise AssertionError(x)


def real_decimal(x):
    return decimal.Decimal(repr(x))     # repr() is the shortest that reads back


def real_text(x):
    """Spelled as float8out does."""
    if math.isinf(x):
        return b'Infinity' if x > 0 else b'-Infinity'
    sign, digits, exponent = real_decimal(x).as_tuple()
    digits = ''.join(map(str, digits)).lstrip('0')
    if not digits:
        return b'-0' if sign else b'0'
    exponent += len(digits) - len(digits.rstrip('0'))
    digits = digits.rstrip('0')
    lead = exponent + len(digits) - 1       # power of ten of the first digit
    if -4 <= lead < 15:
        if exponent >= 0:
            text = digits + '0' * exponent
        elif lead >= 0:
            text = digits[:lead + 1] + '.' + digits[lead + 1:]
        else:
            text = '0.' + '0' * (-lead - 1) + digits
    else:
        text = digits[0] + ('.' + digits[1:] if len(digits) > 1 else '')
        text += 'e%s%02d' % ('-' if lead < 0 else '+', abs(lead))
    return (('-' if sign else '') + text).encode()


def number_text(value):
    return str(value).encode() if isinstance(value, int) else real_text(value)


def valid_text(data):
    need(0 not in data, 'NUL byte')
    try:
        return data.decode('utf-8')
    except UnicodeDecodeError:
        raise Misfit('invalid UTF-8')


def whole(value):
    if isinstance(value, float):
        need(math.isfinite(value) and value == math.floor(value), 'no whole number')
        value = int(value)
    elif isinstance(value, Text):
        need(re.fullmatch(rb'[+-]?0*[0-9]{1,19}', value), 'no bigint')
        value = int(value)
    need(isinstance(value, int) and -2**63 <= value < 2**63, 'no bigint')
    return value


def as_double(value):
    need(isinstance(value, (int, float)), 'no number')
    if isinstance(value, int):
        need(int(float(value)) == value, 'no double holds it')
    return float(value)


# Types

def c_bool(value, column):
    if isinstance(value, Text):
        word = value.strip(b' \t\n\v\f\r').lower()
        for full, at_least, result in ((b'true', 1, 1), (b'false', 1, 0), (b'yes', 1, 1), (b'no', 1, 0),
                                       (b'on', 2, 1), (b'off', 2, 0), (b'1', 1, 1), (b'0', 1, 0)):
            if len(word) >= at_least and full.startswith(word):
                return bytes([ord('b'), result])
        raise Misfit('no boolean')
    need(isinstance(value, (int, float)) and value in (0, 1), 'no boolean')
    return bytes([ord('b'), int(value)])


def c_integer(bits):
    def canonical(value, column):
        value = whole(value)
        need(-2**(bits - 1) <= value < 2**(bits - 1), 'out of range')
        return int64(b'i', value)
    return canonical


def c_float8(value, column):
    return b'f' + struct.pack('<d', as_double(value))


def float4_of(bits):
    return decimal.Decimal(struct.unpack('<f', struct.pack('<I', bits))[0])


def shortest_float4(x):
    """As float4out prints it, read as a double."""
    bits = struct.unpack('<I', struct.pack('<f', abs(x)))[0]
    above = decimal.Decimal(2)**128 if bits == 0x7F7FFFFF else float4_of(bits + 1)
    return math.copysign(float(shortest(abs(x), 9, float4_of(bits - 1), above)), x)


def c_float4(value, column):
    x = as_double(value)
    if math.isfinite(x) and x != 0:
        try:
            narrow = struct.unpack('<f', struct.pack('<f', x))[0]
        except OverflowError:
            raise Misfit('out of range')
        need(narrow != 0 and shortest_float4(narrow) == x, 'no float4')
    return b'f' + struct.pack('<d', x)


def c_numeric(value, column):
    need(not isinstance(value, bytes) or isinstance(value, Text), 'a blob')
    if isinstance(value, float) and math.isinf(value):
        need(not column['args'], 'infinity')
        return b's+' if value > 0 else b's-'
    if isinstance(value, Text):
        value = decimal_text(value)
    elif isinstance(value, float):
        value = real_decimal(value)
    else:
        value = decimal.Decimal(value)
    sign, digits, exponent = value.as_tuple()
    before, after = 131072, 16383
    need(-after <= exponent <= before, 'too many zeros')
    if column['args']:
        precision, scale = (column['args'] + [0])[:2]
        before, after = precision - scale, scale
    if value:
        digits = ''.join(map(str, digits)).lstrip('0')
        trailing = len(digits) - len(digits.rstrip('0'))
        need(exponent + trailing >= -after and exponent + len(digits) <= before, 'does not fit numeric')
    return number(value)


def any_class(value, column, own):
    """The bytes of a value of its own class, or of any where the column is mixed."""
    need(isinstance(value, own) and (own is Text) == isinstance(value, Text) or column.get('mixed'), 'storage class')
    data = number_text(value) if isinstance(value, (int, float)) else bytes(value)
    need(len(data) <= MAX_FIELD, 'too long')
    return data


def c_text(value, column):
    data = any_class(value, column, Text)
    if column['kind'] != 'text' and column['args']:
        need(len(valid_text(data)) <= column['args'][0], 'too long for the type')
    valid_text(data)
    need(column['kind'] != 'character' or not data.endswith(b' '), 'blank at the end')
    return string(b't', data)


def c_bytea(value, column):
    return string(b'x', any_class(value, column, bytes))


def c_uuid(value, column):
    need(isinstance(value, bytes), 'no uuid')
    if isinstance(value, Text):
        hexes = rb'[0-9a-fA-F]'
        need(re.fullmatch(hexes + rb'{32}', value) or
             re.fullmatch(rb'-'.join(hexes + b'{%d}' % n for n in (8, 4, 4, 4, 12)), value), 'no uuid')
        return b'u' + bytes.fromhex(value.replace(b'-', b'').decode())
    need(len(value) == 16, 'no uuid')
    return b'u' + value


# Dates

CLOCK = rb'([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?'


def clock(hour, minute, second, fraction):
    hour, minute, second = int(hour), int(minute), int(second or 0)
    need(hour < 24 and minute < 60 and second < 60, 'no time')
    fraction = (fraction or b'').decode()
    need(not fraction[6:].strip('0'), 'more than microseconds')
    return ((hour * 60 + minute) * 60 + second) * 10**6 + int(fraction[:6].ljust(6, '0'))


def day(year, month, day_of_month):
    try:
        return (datetime.date(int(year), int(month), int(day_of_month)) - EPOCH).days
    except ValueError:
        raise Misfit('no such day')


def iso(value):
    """Days, microseconds of the day, and offset in microseconds or None."""
    match = re.fullmatch(rb'([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[ T]' + CLOCK +
                         rb'(?: ?(?:(Z)|([+-])([0-9]{2})(?::?([0-9]{2}))?))?)?', value)
    need(match, 'no ISO date')
    groups = match.groups()
    days = day(*groups[:3])
    if groups[3] is None:
        return days, 0, None
    us = clock(*groups[3:7])
    zulu, sign, hours, minutes = groups[7:]
    if zulu:
        return days, us, 0
    if not sign:
        return days, us, None
    need(int(hours) <= 15 and int(minutes or 0) < 60, 'no offset')
    offset = (int(hours) * 60 + int(minutes or 0)) * 60 * 10**6
    return days, us, -offset if sign == b'-' else offset


def read_number(value, reading):
    """Microseconds since 2000-01-01 of a number in a date column."""
    need(isinstance(value, (int, float)), 'storage class')
    need(math.isfinite(value), 'infinity')
    if reading in ('unix', 'unix_ms'):
        per_unit = 10**6 if reading == 'unix' else 1000
        need(isinstance(value, int) or -1e15 < math.floor(value) < 1e15, 'out of range')
        units = math.floor(value)
        us = units * per_unit + round((value - units) * per_unit) + UNIX    # half to even
    elif reading == 'julian':
        need(0 <= value < 5373484.5, 'no Julian day')
        us = (int(float(value) * 86400000.0 + 0.5) - JULIAN_UNIX_MS) * 1000 + UNIX
    elif reading == 'calendar':
        digits = str(whole(value))
        need(re.fullmatch('[0-9]{8}|[0-9]{14}', digits), 'no calendar date')
        us = day(digits[:4], digits[4:6], digits[6:8]) * DAY
        if len(digits) == 14:
            us += clock(digits[8:10], digits[10:12], digits[12:14], None)
    else:
        raise Misfit('no reading')
    need(YEAR_1 <= us < YEAR_10000, 'out of range')
    return us


def precise(us, column):
    need(not column['args'] or us % 10**(6 - column['args'][0]) == 0, 'precision')
    return us


def c_date(value, column):
    if isinstance(value, Text):
        days, us, offset = iso(value)
        need(us == 0 and offset is None, 'more than a date')
        return int64(b'd', days)
    us = read_number(value, column.get('reading'))
    need(us % DAY == 0, 'a time of day')
    return int64(b'd', us // DAY)


def c_time(value, column):
    match = re.fullmatch(CLOCK, value) if isinstance(value, Text) else None
    need(match, 'no time')
    return int64(b'c', precise(clock(*match.groups()), column))


def c_timestamp(value, column):
    zone = column['kind'] == 'timestamp with time zone'
    if isinstance(value, Text):
        days, us, offset = iso(value)
        need(zone or offset is None or column.get('fixed'), 'offset without zone')
        us += days * DAY - (offset or 0)
    else:
        us = read_number(value, column.get('reading'))
    return int64(b'z' if zone else b'p', precise(us, column))


# JSON

def pairs_once(pairs):
    need(len({key for key, _ in pairs}) == len(pairs), 'a key twice')
    return dict(pairs)


def no_constant(name):
    raise ValueError(name)


def load_json(value, **hooks):
    text = valid_text(value)
    depth = most = 0
    for token in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text, re.S):
        depth += (token in '[{') - (token in ']}')
        most = max(most, depth)
    need(most <= MAX_JSON_DEPTH, 'nested too deeply')
    try:
        return json.loads(text, parse_int=decimal.Decimal, parse_constant=no_constant,
                          parse_float=lambda t: decimal_text(t.encode()), **hooks)
    except ValueError as error:
        raise Misfit(str(error))


def json_string(text):
    need('\0' not in text, 'NUL')
    try:
        data = text.encode('utf-8')
    except UnicodeEncodeError:
        raise Misfit('half a surrogate pair')
    need(len(data) <= MAX_JSONB_STRING, 'too long for jsonb')
    return data


def json_value(value):
    if value is None:
        return b'0'
    if value is True:
        return b'T'
    if value is False:
        return b'F'
    if isinstance(value, str):
        return string(b't', json_string(value))
    if isinstance(value, decimal.Decimal):
        return c_numeric(Text(str(value).encode()), {'args': []})
    if isinstance(value, list):
        tag = b'A'
        parts = [struct.pack('<Q', i) + json_value(v) for i, v in enumerate(value)]
    else:
        tag = b'O'
        parts = [string(b'', json_string(k)) + json_value(v) for k, v in value.items()]
    total = sum(map(hash128, parts)) % 2**128
    return tag + struct.pack('<I', len(parts)) + total.to_bytes(16, 'little')


def json_number(value):
    need(isinstance(value, (int, float)) and math.isfinite(value), 'no JSON')
    return number_text(value)


def c_json(value, column):
    if not isinstance(value, Text):
        return string(b'j', json_number(value))
    load_json(value)
    return string(b'j', value)


def c_jsonb(value, column):
    if not isinstance(value, Text):
        return number(decimal.Decimal(json_number(value).decode()))
    return json_value(load_json(value, object_pairs_hook=pairs_once))


def c_other(value, column):
    need(isinstance(value, (int, float, Text)), 'a blob')
    data = number_text(value) if isinstance(value, (int, float)) else value
    valid_text(data)
    return string(b'o', data)


KINDS = {
    'boolean': c_bool, 'smallint': c_integer(16), 'integer': c_integer(32), 'bigint': c_integer(64),
    'real': c_float4, 'double precision': c_float8, 'numeric': c_numeric, 'text': c_text,
    'character varying': c_text, 'character': c_text, 'bytea': c_bytea, 'date': c_date,
    'time without time zone': c_time, 'timestamp without time zone': c_timestamp,
    'timestamp with time zone': c_timestamp, 'json': c_json, 'jsonb': c_jsonb, 'uuid': c_uuid,
}


def prepare(column):
    """Splits the type's name from its arguments: timestamp(3) with time zone."""
    match = re.fullmatch(r'([^()]+)(?:\(([^)]*)\))?( .*)?', column['type'])
    column['kind'] = match[1] + (match[3] or '')
    column['args'] = [int(arg) for arg in match[2].split(',')] if match[2] else []
    return column


def canonical(value, column):
    if value is None or (column.get('empty_as_null') and isinstance(value, Text) and not value):
        return b'\0'
    try:
        need(not isinstance(value, BadText) or column['kind'] == 'bytea', 'encoding')
        return KINDS.get(column['kind'], c_other)(value, column)
    except Misfit:
        if column.get('null_misfits'):
            return b'\0'
        raise


def text_of(data, encoding):
    """A text from its bytes in the file."""
    if encoding == 'UTF-8':
        return Text(data)
    try:
        return Text(data.decode(encoding).encode('utf-8'))
    except UnicodeError:
        return BadText(data)


def checksum(connection, table, columns):
    """(rows, sum) of a table."""
    encoding = connection.execute('PRAGMA encoding').fetchone()[0]
    names = ['"%s"' % column['column'].replace('"', '""') for column in columns]
    # texts as the bytes that are in the file, whatever these are
    wanted = ', '.join("typeof({0}) = 'text', CASE typeof({0}) WHEN 'text' THEN CAST({0} AS BLOB) "
                       "ELSE {0} END".format(name) for name in names)
    rows = total = 0
    for row in connection.execute('SELECT %s FROM "%s"' % (wanted, table.replace('"', '""'))):
        parts = []
        for column, is_text, value in zip(columns, row[::2], row[1::2]):
            if is_text:
                value = text_of(value, encoding)
            try:
                parts.append(canonical(value, column))
            except Misfit as misfit:
                sys.exit('row %d, column %s: %r: %s' % (rows + 1, column['column'], value, misfit))
        total = (total + hash128(b''.join(parts))) % 2**128
        rows += 1
    return rows, '%032x' % total


def main():
    sys.setrecursionlimit(4 * MAX_JSON_DEPTH)
    path, table, decisions = sys.argv[1:]
    connection = sqlite3.connect('file:%s?mode=ro' % path.replace('?', '%3f').replace('#', '%23'), uri=True)
    with open(decisions) as file:
        columns = [prepare(column) for column in json.load(file)]
    print('%d %s' % checksum(connection, table, columns))


if __name__ == '__main__':
    main()
