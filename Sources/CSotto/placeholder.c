#include "CSotto.h"
