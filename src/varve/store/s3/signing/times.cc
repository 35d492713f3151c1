#include "varve/store/s3/signing/times.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace varve::store {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// The number that `digits` letters at `at` spell; -1 when they do not.
int Number(std::string_view text, size_t at, size_t digits) {
  int value = 0;
  for (size_t i = at; i < at + digits; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

struct Moment {
  int year, month, day, hour, minute, second;  // month: 1 to 12.
};

int64_t Milliseconds(const Moment& moment) {
  if (moment.year < 1970 || moment.month < 1 || moment.month > 12 || moment.day < 1 ||
      moment.day > 31 || moment.hour < 0 || moment.hour > 23 || moment.minute < 0 ||
      moment.minute > 59 || moment.second < 0 || moment.second > 60) {
    return 0;
  }
  std::tm utc{};
  utc.tm_year = moment.year - 1900;
  utc.tm_mon = moment.month - 1;
  utc.tm_mday = moment.day;
  utc.tm_hour = moment.hour;
  utc.tm_min = moment.minute;
  utc.tm_sec = moment.second;
  return int64_t{timegm(&utc)} * 1000;
}

}  // namespace

std::string AmzDate(int64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return text;
}

int64_t ParseHttpDate(std::string_view text) {
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return 0;
  int month = 0;
  for (size_t i = 0; i < kMonths.size(); ++i) {
    if (text.substr(8, 3) == kMonths[i]) month = static_cast<int>(i) + 1;
  }
  if (text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':')
    return 0;
  return Milliseconds({Number(text, 12, 4), month, Number(text, 5, 2), Number(text, 17, 2),
                       Number(text, 20, 2), Number(text, 23, 2)});
}

int64_t ParseIsoTime(std::string_view text) {
  if (text.size() < 20 || text.size() > 40) return 0;
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
    return 0;
  std::string_view rest = text.substr(19);
  if (rest.front() == '.') {  // Fractions are dropped.
    size_t digits = 1;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') ++digits;
    rest = rest.substr(digits);
  }
  if (rest != "Z" && rest != "UTC" && rest != "+00:00" && rest != "+0000") return 0;
  return Milliseconds({Number(text, 0, 4), Number(text, 5, 2), Number(text, 8, 2),
                       Number(text, 11, 2), Number(text, 14, 2), Number(text, 17, 2)});
}

}  // namespace varve::store
