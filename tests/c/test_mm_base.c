/* Names, version and assertions of mm_base.c. */
#define _POSIX_C_SOURCE 200809L /* dup2 */

#include "mmcore.h"

#include "mm_test.h"

#include <ctype.h>
#include <unistd.h>

static void version_text_is_made_of_the_version_numbers(void)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%d.%d.%d", MM_VERSION_MAJOR, MM_VERSION_MINOR,
             MM_VERSION_PATCH);
    MM_CHECK_TEXT(mm_version(), wanted);
    MM_CHECK_UINT(mm_abi_version(), ==, MM_ABI);
}

static void build_info_starts_with_the_version_and_names_the_mode(void)
{
    const char *info = mm_build_info();
    MM_CHECK_INT(strncmp(info, mm_version(), strlen(mm_version())), ==, 0);
#if defined(NDEBUG)
    MM_CHECK(strstr(info, " release") != NULL);
#else
    MM_CHECK(strstr(info, " debug") != NULL);
#endif
}

static bool is_sentence(const char *text)
{
    size_t bytes = strlen(text);
    return bytes > 5 && isupper((unsigned char)text[0]) && text[bytes - 1] == '.';
}

static void every_status_has_its_own_name_and_a_sentence(void)
{
    for (mm_status status = MM_OK; status >= MM_E_SYSTEM; status--) {
        MM_CHECK_INT(strncmp(mm_status_name(status), "MM_", 3), ==, 0);
        MM_CHECK(is_sentence(mm_status_text(status)));
        for (mm_status other = MM_OK; other > status; other--) {
            MM_CHECK_INT(strcmp(mm_status_name(status), mm_status_name(other)), !=, 0);
        }
    }
    MM_CHECK_TEXT(mm_status_name(MM_E_SYNTAX), "MM_E_SYNTAX");
}

static void a_number_that_is_no_status_is_named_so(void)
{
    MM_CHECK_TEXT(mm_status_name(1), "MM_E_?");
    MM_CHECK_TEXT(mm_status_name(MM_E_SYSTEM - 1), "MM_E_?");
    MM_CHECK_TEXT(mm_status_name(INT32_MIN), "MM_E_?");
    MM_CHECK_TEXT(mm_status_name(INT32_MAX), "MM_E_?");
}

static void every_reason_has_its_own_name_and_a_sentence(void)
{
    for (int32_t reason = 0; reason < MM_REASON_COUNT; reason++) {
        MM_CHECK(isupper((unsigned char)mm_reason_name(reason)[0]));
        MM_CHECK(is_sentence(mm_reason_text(reason)));
        for (int32_t other = 0; other < reason; other++) {
            MM_CHECK_INT(strcmp(mm_reason_name(reason), mm_reason_name(other)), !=, 0);
            MM_CHECK_INT(strcmp(mm_reason_text(reason), mm_reason_text(other)), !=, 0);
        }
    }
    MM_CHECK_TEXT(mm_reason_name(MM_REASON_STALE_BOOK), "STALE_BOOK");
    MM_CHECK_TEXT(mm_reason_name(-1), "?");
    MM_CHECK_TEXT(mm_reason_name(MM_REASON_COUNT), "?");
}

static void first_reason_is_the_lowest_bit_set(void)
{
    MM_CHECK_INT(mm_reason_first(0), ==, MM_REASON_NONE);
    for (int32_t low = 1; low < MM_REASON_COUNT; low++) {
        uint64_t above = mm_test_random() << low;
        uint64_t verdict = MM_BIT(low) | (above & (MM_BIT(MM_REASON_COUNT) - 1));
        MM_CHECK_INT(mm_reason_first(verdict), ==, low);
    }
}

static struct {
    int32_t calls;
    int32_t line;
    char expression[64];
    char file[256];
    jmp_buf back;
} noted;

static void note_panic(const char *expression, const char *file, int32_t line)
{
    noted.calls++;
    noted.line = line;
    snprintf(noted.expression, sizeof noted.expression, "%s", expression);
    snprintf(noted.file, sizeof noted.file, "%s", file);
    longjmp(noted.back, 1);
}

static void an_assertion_that_holds_does_nothing(void)
{
    mm_panic_set(note_panic);
    MM_ASSERT(1 + 1 == 2);
    mm_panic_set(NULL);
    MM_CHECK_INT(noted.calls, ==, 0);
    MM_CHECK(!mm_panic_killed());
}

static void a_failed_assertion_reaches_the_handler_and_latches_the_kill_word(void)
{
    mm_panic_set(note_panic);
    if (setjmp(noted.back) == 0) {
#if defined(MM_COVERAGE) /* where assertions are left out, the call is made as one would make it */
        mm_panic("1 + 1 == 3", __FILE__, (int32_t)__LINE__);
#else
        MM_ASSERT(1 + 1 == 3);
#endif
    }
    mm_panic_set(NULL);
    MM_CHECK_INT(noted.calls, ==, 1);
    MM_CHECK_TEXT(noted.expression, "1 + 1 == 3");
    MM_CHECK(strstr(noted.file, "test_mm_base.c") != NULL);
    MM_CHECK_INT(noted.line, >, 0);
    MM_CHECK(mm_panic_killed());
}

#if defined(NDEBUG) /* a debug build ends there */
static void of_all_failures_without_a_handler_the_first_alone_is_printed(void)
{
    char text[256] = "";
    int kept = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    MM_REQUIRE(file != NULL && kept >= 0);
    (void)dup2(fileno(file), STDERR_FILENO);
    mm_panic_set(NULL);
    mm_panic("first", "a.c", 1);
    mm_panic("second", "a.c", 2);
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    (void)fclose(file);
    MM_CHECK_TEXT(text, "mmcore: failed assertion at a.c:1: first\n");
    MM_CHECK(mm_panic_killed());
}
#endif

static void a_verdict_with_bits_beyond_the_reasons_is_a_mistake(void)
{
    MM_CHECK_PANICS(mm_reason_first(MM_BIT(MM_REASON_COUNT)));
}

int main(int argc, char **argv)
{
    /* The kill word has no reset: what needs it unlatched stands before what latches it. */
    static const mm_test tests[] = {
        MM_TEST(version_text_is_made_of_the_version_numbers),
        MM_TEST(build_info_starts_with_the_version_and_names_the_mode),
        MM_TEST(every_status_has_its_own_name_and_a_sentence),
        MM_TEST(a_number_that_is_no_status_is_named_so),
        MM_TEST(every_reason_has_its_own_name_and_a_sentence),
        MM_TEST(first_reason_is_the_lowest_bit_set),
        MM_TEST(an_assertion_that_holds_does_nothing),
        MM_TEST(a_failed_assertion_reaches_the_handler_and_latches_the_kill_word),
#if defined(NDEBUG)
        MM_TEST(of_all_failures_without_a_handler_the_first_alone_is_printed),
#endif
        MM_TEST(a_verdict_with_bits_beyond_the_reasons_is_a_mistake),
    };
    return mm_test_main(argc, argv, tests, MM_TEST_COUNT(tests));
}
