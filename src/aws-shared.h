/* SPDX-License-Identifier: MIT */
#pragma once

#include "aws-ini.h"
#include "conf-value.h"

#include <sys/types.h>

/* AWS's shared files as one: the profiles in both, and the values of their keys. What they mean is not known
 * here. Pure. */

/* In this order they are asked for a key. */
typedef enum AwsSharedFile {
        AWS_SHARED_CREDENTIALS,
        AWS_SHARED_CONFIG,
        _AWS_SHARED_MAX,
} AwsSharedFile;

/* Both; all zero is empty. The paths are what errors call the files, and the caller's. */
typedef struct AwsShared {
        const char *path[_AWS_SHARED_MAX];
        AwsIni ini[_AWS_SHARED_MAX];
} AwsShared;

/* What is where in them. The pointers live as long as the files' contents. */
typedef struct AwsSharedProfile {
        const char *name;                              /* the caller's */
        const AwsIniSection *section[_AWS_SHARED_MAX]; /* NULL: it is not in that file */
} AwsSharedProfile;

typedef struct AwsSharedValue {
        const AwsIniValue *value; /* NULL: the profile has none */
        AwsSharedFile file;
} AwsSharedValue;

/* Reads one of them, whose path is set. mode (0: it does not matter) may not let everybody write the file,
 * nor read it if there is a secret in it. Returns 0 or a negative errno with *error set. */
int aws_shared_read(AwsShared *s, AwsSharedFile file, const char *text, size_t size, mode_t mode,
                    ConfError *error);

/* Finds a profile. Returns 1, 0 if it is in neither file, or -ENOMEM. */
int aws_shared_find(const AwsShared *s, const char *name, AwsSharedProfile *ret);

/* Finds a key of a profile in one of the files, or in the first that has it. */
AwsSharedValue aws_shared_get_in(const AwsShared *s, const AwsSharedProfile *p, const char *key,
                                 AwsSharedFile file);
AwsSharedValue aws_shared_get(const AwsShared *s, const AwsSharedProfile *p, const char *key);

/* How to read a value. */
typedef struct AwsSharedKey {
        const char *name;
        ConfValueParse *parse;
        uint64_t least, most; /* as in ConfValueRule */
        bool maybe_empty;     /* which is as if it were not there; else it is an error */
        bool command;         /* there may be quotation marks and "#" in it */
} AwsSharedKey;

/* Reads a value into a field; nothing happens if there is none. Returns 0 or a negative errno, with *error
 * set by aws_shared_fail(). */
int aws_shared_parse(const AwsShared *s, const AwsSharedProfile *p, const AwsSharedKey *key,
                     AwsSharedValue v, void *field, ConfError *error);

/* The same for the first file that has the key. */
int aws_shared_parse_key(const AwsShared *s, const AwsSharedProfile *p, const AwsSharedKey *key, void *field,
                         ConfError *error);

/* Puts "PATH:LINE: KEY of profile "NAME": " before the sentence in *error and returns r. The value exists.
 */
int aws_shared_fail(const AwsShared *s, const AwsSharedProfile *p, AwsSharedValue v, int r,
                    ConfError *error);

/* Wipes and frees the contents. */
void aws_shared_done(AwsShared *s);

/* A kind of value that only profiles have, see conf-value.h. char *: an absolute path */
ConfValueParse aws_shared_path;
