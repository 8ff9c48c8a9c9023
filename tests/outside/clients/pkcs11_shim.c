/* A PKCS#11 module in front of SoftHSM that notes every login, and fails when a file in $SHIM_DIRECTORY tells it to:
 *
 *   logins   a line is added for every C_Login
 *   signs    a line is added for every C_SignInit
 *   lose     holds a return value (hexadecimal): the next C_SignInit returns it, once
 *   absent   while it is there, no slot has a token, and C_SignInit and C_FindObjectsInit find the device removed
 *   stall    while it is there, C_SignInit does not return
 *
 * The function list is declared as far as is needed (PKCS#11 2.40, section 4.4): a version, then pointers in a fixed
 * order.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef unsigned long rv;

enum { GET_SLOT_LIST = 4, LOGIN = 18, FIND_OBJECTS_INIT = 26, SIGN_INIT = 42, FUNCTIONS = 68 };
enum { OK = 0, GENERAL_ERROR = 5, DEVICE_REMOVED = 0x32 };

struct function_list {
    unsigned char version[2];
    void *functions[FUNCTIONS];
};

static struct function_list real, shim;

static char *path(const char *name) {
    static __thread char buffer[4096];
    const char *directory = getenv("SHIM_DIRECTORY");
    snprintf(buffer, sizeof buffer, "%s/%s", directory ? directory : ".", name);
    return buffer;
}

static int is_there(const char *name) { return access(path(name), F_OK) == 0; }

static rv get_slot_list(unsigned char with_token, unsigned long *slots, unsigned long *count) {
    if (is_there("absent")) {
        *count = 0;
        return OK;
    }
    rv (*get)(unsigned char, unsigned long *, unsigned long *) =
        (rv(*)(unsigned char, unsigned long *, unsigned long *))real.functions[GET_SLOT_LIST];
    return get(with_token, slots, count);
}

static void note(const char *name) {
    FILE *file = fopen(path(name), "a");
    if (file != NULL) {
        fputs("called\n", file);
        fclose(file);
    }
}

static rv login(unsigned long session, unsigned long user, unsigned char *pin, unsigned long length) {
    note("logins");
    rv (*log_in)(unsigned long, unsigned long, unsigned char *, unsigned long) =
        (rv(*)(unsigned long, unsigned long, unsigned char *, unsigned long))real.functions[LOGIN];
    return log_in(session, user, pin, length);
}

static rv find_objects_init(unsigned long session, void *template, unsigned long count) {
    if (is_there("absent")) {
        return DEVICE_REMOVED;
    }
    return ((rv(*)(unsigned long, void *, unsigned long))real.functions[FIND_OBJECTS_INIT])(session, template, count);
}

static rv sign_init(unsigned long session, void *mechanism, unsigned long key) {
    note("signs");
    while (is_there("stall")) {
        usleep(5000);
    }
    if (is_there("absent")) {
        return DEVICE_REMOVED;
    }
    FILE *file = fopen(path("lose"), "r");
    unsigned long value;
    if (file != NULL) {
        int read = fscanf(file, "%lx", &value);
        fclose(file);
        /* of several sessions only one loses */
        if (unlink(path("lose")) == 0 && read == 1) {
            return value;
        }
    }
    return ((rv(*)(unsigned long, void *, unsigned long))real.functions[SIGN_INIT])(session, mechanism, key);
}

rv C_GetFunctionList(struct function_list **list) {
    const char *module = getenv("SHIM_MODULE");
    void *library = dlopen(module ? module : "", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return GENERAL_ERROR;
    }
    rv (*get)(struct function_list **) = (rv(*)(struct function_list **))dlsym(library, "C_GetFunctionList");
    struct function_list *theirs;
    if (get == NULL || get(&theirs) != OK) {
        return GENERAL_ERROR;
    }
    real = *theirs;
    shim = real;
    shim.functions[GET_SLOT_LIST] = (void *)get_slot_list;
    shim.functions[LOGIN] = (void *)login;
    shim.functions[FIND_OBJECTS_INIT] = (void *)find_objects_init;
    shim.functions[SIGN_INIT] = (void *)sign_init;
    *list = &shim;
    return OK;
}
