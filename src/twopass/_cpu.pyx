"""What the processor and the operating system say about themselves.

Compiled for the baseline, so that any CPU can import it. Facts only: what they mean is
``_detect.py``'s business, and what follows from them ``_targets.py``'s.
"""

cdef extern from *:
    """
    #include <stdint.h>

    #if defined(__x86_64__) || defined(_M_X64)
        #define TWOPASS_MACHINE "x86_64"
    #elif defined(__aarch64__) || defined(_M_ARM64)
        #define TWOPASS_MACHINE "aarch64"
    #else
        #define TWOPASS_MACHINE "other"
    #endif

    #if defined(__clang__)
        #define TWOPASS_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
        #define TWOPASS_COMPILER "gcc " __VERSION__
    #elif defined(_MSC_FULL_VER)
        #define TWOPASS_TEXT(number) #number
        #define TWOPASS_DIGITS(number) TWOPASS_TEXT(number)
        #define TWOPASS_COMPILER "msvc " TWOPASS_DIGITS(_MSC_FULL_VER)
    #else
        #define TWOPASS_COMPILER "unknown"
    #endif

    /* r[0..3] = EAX, EBX, ECX, EDX; returns 0 where there is no such instruction. */
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
        static int twopass_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t* r) {
            __asm__ __volatile__("cpuid"
                : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(subleaf));
            return 1;
        }
        /* Only after OSXSAVE was seen. In assembly, as the intrinsic wants -mxsave. */
        static uint64_t twopass_xgetbv(void) {
            uint32_t low, high;
            __asm__ __volatile__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
            return ((uint64_t)high << 32) | low;
        }
    #elif defined(_M_X64)
        #include <intrin.h>
        static int twopass_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t* r) {
            __cpuidex((int*)r, (int)leaf, (int)subleaf);
            return 1;
        }
        static uint64_t twopass_xgetbv(void) { return _xgetbv(0); }
    #else
        static int twopass_cpuid(uint32_t, uint32_t, uint32_t*) { return 0; }
        static uint64_t twopass_xgetbv(void) { return 0; }
    #endif

    /* Linux' AT_HWCAP; elsewhere the one bit that every AArch64 system promises, ASIMD. */
    #if defined(__aarch64__) && defined(__linux__)
        #include <sys/auxv.h>
        static unsigned long twopass_hwcap(void) { return getauxval(AT_HWCAP); }
    #elif defined(__aarch64__) || defined(_M_ARM64)
        static unsigned long twopass_hwcap(void) { return 1ul << 1; }
    #else
        static unsigned long twopass_hwcap(void) { return 0; }
    #endif
    """
    ctypedef unsigned int uint32_t
    ctypedef unsigned long long uint64_t
    const char* TWOPASS_MACHINE
    const char* TWOPASS_COMPILER
    const unsigned int CYTHON_HEX_VERSION
    int twopass_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t* registers)
    uint64_t twopass_xgetbv()
    unsigned long twopass_hwcap()

cdef enum:
    OSXSAVE = 1 << 27  # leaf 1, ECX: the operating system lets programs read XCR0


def machine():
    """Return ``"x86_64"``, ``"aarch64"`` or ``"other"``: what this module was compiled for."""
    return TWOPASS_MACHINE.decode()


def cpuid(uint32_t leaf, uint32_t subleaf):
    """Return the registers (EAX, EBX, ECX, EDX) of one CPUID leaf."""
    cdef uint32_t registers[4]
    if not twopass_cpuid(leaf, subleaf, registers):
        raise OSError("this machine has no CPUID instruction")
    return registers[0], registers[1], registers[2], registers[3]


def xcr0():
    """Return which register states the operating system saves; 0 when it does not say."""
    cdef uint32_t registers[4]
    if not twopass_cpuid(1, 0, registers) or not registers[2] & OSXSAVE:
        return 0
    return twopass_xgetbv()


def arm_hwcap():
    """Return the AT_HWCAP bits of an AArch64 machine, 0 elsewhere."""
    return twopass_hwcap()


def build():
    """Return the versions of the tools that compiled this package."""
    cdef unsigned int version = CYTHON_HEX_VERSION
    return {
        "compiler": TWOPASS_COMPILER.decode(),
        "cython": f"{version >> 24}.{version >> 16 & 255}.{version >> 8 & 255}",
    }
