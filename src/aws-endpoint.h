/* SPDX-License-Identifier: MIT */
#pragma once

#include "util.h"

/* Names of AWS's endpoints and registries. Pure. From botocore's partitions.json and rule sets; regions that
 * are not known yet fall to the partition that their name belongs to. */

typedef enum AwsService {
        AWS_SERVICE_ECR,
        AWS_SERVICE_ECR_PUBLIC, /* there is one only, in us-east-1 */
        AWS_SERVICE_STS,
        AWS_SERVICE_ROLES_ANYWHERE,
        AWS_SERVICE_METADATA, /* of an instance or a container: has no regions, and takes no signatures */
        _AWS_SERVICE_MAX,
} AwsService;

/* The name that signatures carry: "ecr", "ecr-public", "sts", "rolesanywhere"; metrics know metadata by it,
 * too. */
const char *aws_service_to_string(AwsService s);

/* The URL of a service's API in a region, without a trailing slash; not for metadata. Returns 0 or -ENOMEM.
 */
int aws_endpoint(AwsService service, const char *region, bool fips, bool dualstack, char **ret);

/* What ECR Public's images are pulled from. */
#define AWS_ECR_PUBLIC_REGION "us-east-1"
#define AWS_ECR_PUBLIC_HOST "public.ecr.aws"

/* The partition of a region: "aws", "aws-cn", ... */
const char *aws_partition(const char *region);
