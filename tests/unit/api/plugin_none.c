/* A shared object that has no modules. */
int nothing_here(void);

int nothing_here(void)
{
    return 0;
}
