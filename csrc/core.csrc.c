/* What the generated Python extension is compiled against. */
#include "mmcore.h"
