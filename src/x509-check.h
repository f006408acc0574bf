/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* Whether PEM text is of use for TLS, as Go has it (crypto/x509, AppendCertsFromPEM(); crypto/tls,
 * X509KeyPair()): told before a connection fails for it. Nobody is asked for a password. */

/* Whether there is a certificate that can be read, wherever it is and whatever else there is. */
bool x509_check_anchors(const char *pem);

/* Checks that the first certificate of one text and the first private key of another can be read, and belong
 * together. Returns NULL, or what is wrong: a clause for people. */
const char *x509_check_pair(const char *certificate, const char *key);
