from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.number_format import displayed


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (None, "General", ""),
        (True, "General", "TRUE"),
        ("文字", "@", "文字"),
        (12, "General", "12"),
        (12.0, "General", "12"),
        (0.1 + 0.2, "General", "0.3"),
        (123456789012345678, "General", "123456789012345678"),
        (0.1234, "0%", "12%"),
        (0.1234, "0.00%", "12.34%"),
        (0.125, "0%", "13%"),
        (-0.5, "0.0%", "-50.0%"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (0, "#,##0", "0"),
        (999, "#,##0", "999"),
        (1000, "#,##0", "1,000"),
        (3.14159, "0.00", "3.14"),
        (2.5, "0", "3"),
        (3, "0.00", "3.00"),
        (3.5, "0.##", "3.5"),
        (7, "000", "007"),
        (1234.5, '"¥"#,##0.00', "¥1,234.50"),
        (1234.5, "[$¥-804]#,##0.00", "¥1,234.50"),
        (-1234.5, "#,##0.00_);(#,##0.00)", "(1,234.50)"),
        (-5, "#,##0;[Red]-#,##0", "-5"),
        (0, '0.00;-0.00;"无"', "无"),
        (12.5, '0.0"万元"', "12.5万元"),
        (5, '0"个"', "5个"),
        (1234567, "0,", "1235"),
        (123456, '0!.0,"万"', "12.3万"),
        (123456, '[>=10000]0!.0,"万";0', "12.3万"),
        (99, '[>=10000]0!.0,"万";0', "99"),
        (12345, "0.00E+00", "1.23E+04"),
        (0.00012, "0.0E+00", "1.2E-04"),
        (0.5, "# ?/?", "0.5"),
        (13800138000, "000-0000-0000", "138-0013-8000"),
        (1e300, "0.00%", "1" + "0" * 302 + ".00%"),
        (float("inf"), "0.00", "inf"),
        (date(2024, 3, 5), "mm-dd-yy", "2024/3/5"),
        (datetime(2024, 3, 5), "yyyy-mm-dd", "2024-03-05"),
        (datetime(2024, 3, 5), 'yyyy"年"m"月"d"日"', "2024年3月5日"),
        (datetime(2024, 3, 5), "yyyy年mm月dd日", "2024年03月05日"),
        (datetime(2024, 3, 5, 14, 7, 9), "yyyy-mm-dd h:mm:ss", "2024-03-05 14:07:09"),
        (datetime(2024, 3, 5, 14, 7), "m/d/yy h:mm AM/PM", "3/5/24 2:07 PM"),
        (datetime(2024, 3, 5, 9, 7), "上午/下午h:mm", "上午9:07"),
        (datetime(2024, 3, 5), "[$-804]aaaa", "2024-03-05T00:00:00"),
        (datetime(2024, 3, 5), "yyyy/m/d aaaa", "2024/3/5 星期二"),
        (time(8, 5), "h:mm", "8:05"),
        (timedelta(hours=30, minutes=4), "[h]:mm", "30:04"),
        (timedelta(hours=30, minutes=4, seconds=3), "[h]:mm:ss", "30:04:03"),
        (timedelta(minutes=90), "[mm]:ss", "90:00"),
    ],
)
def test_shows_values_as_excel_does(value: object, code: str, shown: str) -> None:
    assert displayed(value, code) == shown


@settings(max_examples=150)
@given(
    st.one_of(st.integers(), st.floats(), st.datetimes(), st.timedeltas(), st.times()),
    st.text('0#?.,%;"[]$¥-_*!\\@/EeyYmdhsaGeneral <>=1万', max_size=20),
)
def test_any_code_shows_something(value: object, code: str) -> None:
    assert isinstance(displayed(value, code), str)
